import Engine
import Units

extension Recorder {
  /// The result of all iterations that were recorded.
  ///
  /// - Parameters:
  ///   - uses: How each of ``RunDescription/resources`` was used while iterations were measured
  ///     (the engine's totals after `resetTotals()` at the end of the warm-up).
  ///   - elapsed: The time in which it was used.
  ///   - idlePower: What all devices together draw when they do nothing.
  ///   - pairs: What went from device to device, where that is kept.
  public func finish(
    uses: [ResourceUse], elapsed: SimTime, idlePower: Power, pairs: PairTraffic? = nil
  ) throws(ResultsError) -> RunResult {
    guard !iterations.isEmpty, measured > .zero else { throw .nothingMeasured }
    guard uses.count == description.resources.count else {
      throw .shape("\(uses.count) uses of \(description.resources.count) resources")
    }
    guard pairs == nil || pairs?.deviceCount == description.deviceCount else {
      throw .shape("pairs of \(pairs?.deviceCount ?? 0) of \(description.deviceCount) devices")
    }
    return RunResult(
      description: description, iterations: iterations, stages: stageRecords(),
      bounds: work.bounds(), criticalPath: criticalPath.records, layers: layerRecords(),
      deviceTimes: deviceTimes(),
      loads: loads.result(),
      resources: uses.indices.map { ResourceRecord($0, uses[$0], elapsed: elapsed) },
      pairs: pairs, idleEnergy: idlePower * Seconds(measured), spans: spans)
  }

  private var devices: Range<Int> { 0..<description.deviceCount }

  private func stageRecords() -> [StageRecord] {
    let waiting = description.waitingStage
    return (0...waiting).map { stage in
      let waits = DeviceSpread(devices.map { awaiting.total(stage: stage, device: $0).picoseconds })
      let spread =
        stage == waiting
        ? DeviceSpread(devices.map { waitingTime(device: $0).picoseconds })
        : DeviceSpread(devices.map { working.total(stage: stage, device: $0).picoseconds })
      return StageRecord(
        stage: stage, tasks: stage == waiting ? 0 : work.tasks(stage: stage),
        meanDeviceTime: spread.mean, maxDeviceTime: spread.maximum, meanWaitBefore: waits.mean,
        energy: stage == waiting ? .zero : work.energy(stage: stage))
    }
  }

  private func waitingTime(device: Int) -> SimTime {
    (0...description.waitingStage).reduce(SimTime.zero) {
      $0 + awaiting.total(stage: $1, device: device)
    }
  }

  private func layerRecords() -> [LayerRecord] {
    var records: [LayerRecord] = []
    for layer in -1..<description.layerCount {
      for stage in 0...description.waitingStage {
        let busy = working.spread(layer: layer, stage: stage)
        let waits = awaiting.spread(layer: layer, stage: stage)
        guard busy.maximum > .zero || waits.maximum > .zero else { continue }
        records.append(
          LayerRecord(
            layer: layer, stage: stage, meanDeviceTime: busy.mean, maxDeviceTime: busy.maximum,
            meanWaitBefore: waits.mean, maxWaitBefore: waits.maximum))
      }
    }
    return records
  }

  private func deviceTimes() -> [SimTime] {
    devices.flatMap { device in
      description.stages.indices.map { working.total(stage: $0, device: device) }
        + [waitingTime(device: device)]
    }
  }
}
