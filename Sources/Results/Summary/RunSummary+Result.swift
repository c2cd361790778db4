import Units

extension RunSummary {
  public init(_ result: RunResult) {
    let description = result.description
    let imbalance = result.loadImbalance
    let links = result.linksByUtilisation
    self.init(
      name: description.name, model: description.model, cluster: description.cluster,
      phase: description.phase, trace: description.trace,
      traceIsSynthetic: description.traceIsSynthetic, seed: description.seed,
      programVersion: description.programVersion, deviceCount: description.deviceCount,
      sequences: description.sequences, contextTokens: description.context?.value,
      warmupIterations: description.warmupIterations, measuredIterations: result.iterations.count,
      measuredSeconds: result.measuredTime.seconds, tokens: result.tokens,
      tokensPerSecond: result.throughput.value,
      tokensPerSecondPerDevice: result.throughputPerDevice.value,
      bound: result.bound.map { Limit($0, of: result) },
      iteration: Iteration(result.iterationTimes),
      stages: result.stages.map { Stage($0, of: result) }, meanImbalance: imbalance?.mean,
      worstImbalance: imbalance?.worstMoment.worstImbalance, layers: result.loads.map(Layer.init),
      duplicates: result.duplicates.map {
        Duplicates(expertsNeeded: $0.needed, expertsFound: $0.found)
      },
      utilisation: result.utilisationByKind.map(Utilisation.init),
      hottestLinks: links.prefix(RunResult.hottestLinks).map { Link($0, of: result) },
      linksInUse: links.count,
      taskEnergyJoules: result.taskEnergy.value, idleEnergyJoules: result.idleEnergy.value,
      energyJoulesPerToken: result.energyPerToken?.value, remarks: result.notes)
  }
}

extension RunSummary.Iteration {
  init(_ times: IterationTimes) {
    meanSeconds = times.mean.value
    medianSeconds = times.median.seconds
    percentile99Seconds = times.percentile99.seconds
    minimumSeconds = times.minimum.seconds
    maximumSeconds = times.maximum.seconds
  }
}

extension RunSummary.Stage {
  init(_ record: StageRecord, of result: RunResult) {
    let description = result.description.stagesAndWaiting[record.stage]
    let iterations = Double(result.iterations.count)
    stage = description.name
    kind = description.kind
    tasks = record.tasks
    share = result.share(of: record)
    meanDeviceSecondsPerIteration = result.timePerIteration(of: record).value
    maximumDeviceSecondsPerIteration = record.maxDeviceTime.value / iterations
    meanWaitBeforeSecondsPerIteration = record.meanWaitBefore.value / iterations
    energyJoules = record.energy.value
    bounds = result.bounds(ofStage: record.stage).map { .init(bound: $0.name, share: $0.share) }
  }
}

extension RunSummary.Layer {
  init(_ load: LayerLoad) {
    layer = load.layer
    meanImbalance = load.meanImbalance
    worstImbalance = load.worstImbalance
    worstIteration = load.worstIteration
    tokenExpertPairs = load.tokens.reduce(0, +)
    bytesSent = load.bytesSent.reduce(0, +)
  }
}

extension RunSummary.Limit {
  init(_ bound: RunBound, of result: RunResult) {
    tokensPerSecond = bound.throughput.value
    boundBy = bound.boundBy
    fractionReached = result.throughput / bound.throughput
    resources = bound.roofs.map {
      Roof(
        resource: $0.resource, shareOfBound: $0.shareOfBound,
        elasticityOfBound: $0.elasticityOfBound, elasticityInTurn: $0.elasticityInTurn,
        criticalPathShare: result.criticalShare(of: $0))
    }
    remarks = result.boundRemarks
  }
}

extension RunSummary.Utilisation {
  init(_ kind: KindUtilisation) {
    self.kind = kind.kind
    resources = kind.count
    mean = kind.mean
    maximum = kind.maximum
    busiest = kind.busiest
  }
}

extension RunSummary.Link {
  init(_ record: ResourceRecord, of result: RunResult) {
    let description = result.description.resources[record.resource]
    link = description.name
    kind = description.kind
    bytes = record.served
    utilisation = record.utilisation
    busyShare = result.busyShare(of: record)
    waitedSeconds = record.waited.value
  }
}
