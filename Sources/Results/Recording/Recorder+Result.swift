import Engine
import Units

extension Recorder {
  /// The result of all iterations that were recorded.
  ///
  /// - Parameters:
  ///   - served: What each of ``RunDescription/resources`` served while iterations were measured, in
  ///     its base unit (`Engine.amountServed(by:)` after `resetTotals()` at the end of the warm-up).
  ///   - elapsed: The time in which it was served.
  ///   - idlePower: What all devices together draw when they do nothing.
  public func finish(
    served: [Double], elapsed: SimTime, idlePower: Power
  ) throws(ResultsError) -> RunResult {
    guard !iterations.isEmpty, measured > .zero else { throw .nothingMeasured }
    guard served.count == description.resources.count else {
      throw .shape("\(served.count) amounts for \(description.resources.count) resources")
    }
    return RunResult(
      description: description, iterations: iterations, stages: stageRecords(),
      bounds: work.bounds(), layers: layerRecords(), deviceTimes: deviceTimes(),
      loads: loads.result(), resources: resourceRecords(served: served, elapsed: elapsed),
      idleEnergy: idlePower * Seconds(measured), spans: spans)
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

  private func resourceRecords(served: [Double], elapsed: SimTime) -> [ResourceRecord] {
    description.resources.indices.map { index in
      let most = description.resources[index].capacity * elapsed.seconds
      return ResourceRecord(
        resource: index, served: served[index], utilisation: most > 0 ? served[index] / most : 0)
    }
  }
}
