import Engine
import Units

// One function a table; values in the order of `ResultTable.columns`.

extension RunResult {
  func writeRun(to sink: inout some RowSink) throws {
    sink.add(description.name)
    sink.add(description.scenario)
    sink.add(String(description.seed))  // as text: SQLite's integers end at 2^63
    sink.add(description.programVersion)
    sink.add(description.model)
    sink.add(description.cluster)
    sink.add(description.policies)
    sink.add(description.trace)
    sink.add(description.traceIsSynthetic)
    sink.add(description.phase)
    sink.add(description.deviceCount)
    sink.add(description.layerCount)
    sink.add(description.sequences)
    sink.add(description.context?.value)
    sink.add(description.warmupIterations)
    sink.add(iterations.count)
    sink.add(measuredTime.picoseconds)
    sink.add(tokens)
    sink.add(taskEnergy.value)
    sink.add(idleEnergy.value)
    try sink.endRow()
  }

  func writeDuplicates(to sink: inout some RowSink) throws {
    guard let duplicates else { return }
    sink.add(duplicates.needed)
    sink.add(duplicates.found)
    try sink.endRow()
  }

  func writeLimit(to sink: inout some RowSink) throws {
    guard let bound else { return }
    sink.add(bound.throughput.value)
    sink.add(bound.boundBy)
    try sink.endRow()
  }

  func writeRoofs(to sink: inout some RowSink) throws {
    for (position, roof) in (bound?.roofs ?? []).enumerated() {
      sink.add(roof.resource)
      sink.add(position)
      sink.add(roof.shareOfBound)
      sink.add(roof.elasticityOfBound)
      sink.add(roof.elasticityInTurn)
      sink.add(criticalShare(of: roof))
      try sink.endRow()
    }
  }

  func writePlacement(to sink: inout some RowSink) throws {
    guard let placement else { return }
    sink.add(placement.placement)
    sink.add(placement.traffic)
    sink.add(placement.objective)
    sink.add(placement.copies)
    sink.add(placement.profiledRequests)
    sink.add(placement.unseenRequests)
    for cost in [placement.profiled, placement.unseen] {
      sink.add(cost?.total.value)
      sink.add(cost?.work.value)
      sink.add(cost?.inNode.value)
      sink.add(cost?.acrossNodes.value)
      sink.add(cost?.imbalance)
    }
    let bound = placement.bound
    sink.add(bound?.least.value)
    if let bound { sink.add(bound.covers) } else { sink.addNothing() }
    sink.add(bound?.gap)
    sink.add(bound.map { $0.isOptimal ? 1 : 0 })
    try sink.endRow()
  }

  func writeCriticalPath(to sink: inout some RowSink) throws {
    for record in criticalPath {
      sink.add(stageName(record.stage))
      sink.add(description.bounds[record.bound])
      sink.add(record.time.value)
      try sink.endRow()
    }
  }

  func writeRemarks(to sink: inout some RowSink) throws {
    for (position, remark) in description.remarks.enumerated() {
      sink.add(position)
      sink.add(remark)
      try sink.endRow()
    }
  }

  func writeStages(to sink: inout some RowSink) throws {
    for record in stages {
      sink.add(stageName(record.stage))
      sink.add(record.stage)
      sink.add(description.stagesAndWaiting[record.stage].kind.rawValue)
      sink.add(record.tasks)
      sink.add(record.meanDeviceTime.value)
      sink.add(record.maxDeviceTime.value)
      sink.add(record.meanWaitBefore.value)
      sink.add(record.energy.value)
      try sink.endRow()
    }
  }

  func writeStageBounds(to sink: inout some RowSink) throws {
    for record in bounds {
      sink.add(stageName(record.stage))
      sink.add(description.bounds[record.bound])
      sink.add(record.tasks)
      sink.add(record.taskTime.value)
      try sink.endRow()
    }
  }

  func writeIterations(to sink: inout some RowSink) throws {
    for record in iterations {
      sink.add(record.index)
      sink.add(record.start.picoseconds)
      sink.add(record.end.picoseconds)
      sink.add(record.tokens)
      try sink.endRow()
    }
  }

  func writeLayers(to sink: inout some RowSink) throws {
    for record in layers {
      sink.add(record.layer)
      sink.add(stageName(record.stage))
      sink.add(record.meanDeviceTime.value)
      sink.add(record.maxDeviceTime.value)
      sink.add(record.meanWaitBefore.value)
      sink.add(record.maxWaitBefore.value)
      try sink.endRow()
    }
  }

  func writeDevices(to sink: inout some RowSink) throws {
    for device in 0..<description.deviceCount {
      for stage in stages.indices {
        sink.add(device)
        sink.add(stageName(stage))
        sink.add(time(ofDevice: device, inStage: stage).picoseconds)
        try sink.endRow()
      }
    }
  }

  func writeLayerLoad(to sink: inout some RowSink) throws {
    for load in loads {
      for device in load.tokens.indices {
        sink.add(load.layer)
        sink.add(device)
        sink.add(load.tokens[device])
        sink.add(load.bytesSent[device])
        try sink.endRow()
      }
    }
  }

  func writeLoadBalance(to sink: inout some RowSink) throws {
    for load in loads {
      sink.add(load.layer)
      sink.add(load.meanImbalance)
      sink.add(load.worstImbalance)
      sink.add(load.worstIteration)
      try sink.endRow()
    }
  }

  func writeResources(to sink: inout some RowSink) throws {
    for record in resources {
      let resource = description.resources[record.resource]
      sink.add(record.resource)
      sink.add(resource.name)
      sink.add(resource.kind)
      sink.add(resource.device)
      sink.add(resource.unit)
      sink.add(resource.capacity)
      sink.add(record.served)
      sink.add(record.utilisation)
      sink.add(resource.isLink)
      sink.add(record.busy.value)
      sink.add(record.waited.value)
      try sink.endRow()
    }
  }

  /// A pair that sent nothing has no row.
  func writePairTraffic(to sink: inout some RowSink) throws {
    guard let pairs else { return }
    for source in 0..<pairs.deviceCount {
      for target in 0..<pairs.deviceCount where pairs[source, target] > 0 {
        sink.add(source)
        sink.add(target)
        sink.add(pairs[source, target])
        try sink.endRow()
      }
    }
  }

  func writeSpans(to sink: inout some RowSink) throws {
    let stageNames = description.stages.map(\.name)
    for span in spans {
      let device = span.label.device
      sink.add(Int(span.iteration))
      if device == TaskLabel.everyDevice { sink.addNothing() } else { sink.add(Int(device)) }
      sink.add(stageNames[Int(span.label.stage)])
      sink.add(Int(span.label.layer))
      sink.add(description.bounds[Int(span.label.bound)])
      sink.add(span.start.picoseconds)
      sink.add(span.end.picoseconds)
      try sink.endRow()
    }
  }

  private func stageName(_ stage: Int) -> String {
    stage < description.stages.count ? description.stages[stage].name : "waiting"
  }
}
