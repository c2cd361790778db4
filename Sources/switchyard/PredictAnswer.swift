import Models
import Results
import Roofline
import Scenario
import Serving
import Units

/// What `predict` says of one scenario, as tables and as JSON.
struct PredictAnswer: Encodable {
  struct Roof: Encodable {
    var resource: String
    /// Of arithmetic in FLOP/s at the precision of most of the work; of everything else bytes/s.
    /// Absent where several kinds of processors share it.
    var capacityPerSecond: Double?
    /// FLOPs for each byte above which arithmetic binds before this does; absent for arithmetic.
    var ridgeFlopsPerByte: Double?
    var bytes: Double?
    var seconds: Double
    var shareOfBound: Double
    var elasticityOfBound: Double
    var elasticityInTurn: Double
  }

  struct Part: Encodable {
    var stage: String
    var part: String
    var layers: Int
    var amounts: PredictAmounts
    /// One launch after the other, and what binds for most of it.
    var seconds: Double
    var boundBy: String

    func encode(to encoder: any Encoder) throws {
      try amounts.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(stage, forKey: .stage)
      try container.encode(part, forKey: .part)
      try container.encode(layers, forKey: .layers)
      try container.encode(seconds, forKey: .seconds)
      try container.encode(boundBy, forKey: .boundBy)
    }

    private enum CodingKeys: CodingKey { case stage, part, layers, seconds, boundBy }
  }

  struct Layer: Encodable {
    /// Absent for what belongs to no layer.
    var layer: Int?
    var amounts: PredictAmounts
    var seconds: Double
    var boundBy: String

    func encode(to encoder: any Encoder) throws {
      try amounts.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encodeIfPresent(layer, forKey: .layer)
      try container.encode(seconds, forKey: .seconds)
      try container.encode(boundBy, forKey: .boundBy)
    }

    private enum CodingKeys: CodingKey { case layer, seconds, boundBy }
  }

  var name: String
  var model: String
  var cluster: String
  var devices: Int
  var tokensPerIteration: Double
  var flops: Double
  var boundTokensPerSecond: Double
  var boundTokensPerSecondPerDevice: Double
  var boundSeconds: Double
  var boundBy: String
  var inTurnTokensPerSecond: Double
  var inTurnSeconds: Double
  /// Mean over layers with experts.
  var expectedActiveCopies: Double
  var roofs: [Roof]
  var parts: [Part]
  var layers: [Layer]
  /// Absent where no requests begin and end, or the host cannot hold the weights.
  var streamed: PredictStreamed?
  var remarks: [String]
  let workload: String

  private enum CodingKeys: CodingKey {
    case name, model, cluster, devices, tokensPerIteration, flops, boundTokensPerSecond
    case boundTokensPerSecondPerDevice, boundSeconds, boundBy, inTurnTokensPerSecond, inTurnSeconds
    case expectedActiveCopies, roofs, parts, layers, streamed, remarks
  }

  init(_ prediction: ScenarioPrediction) {
    let scenario = prediction.scenario
    let deployment = scenario.deployment
    let iteration = prediction.iteration
    let machine = iteration.machine
    name = scenario.name
    model = deployment.model.name
    cluster = "\(deployment.cluster.nodeCount) x \(deployment.cluster.node.name)"
    devices = deployment.cluster.deviceCount
    tokensPerIteration = iteration.tokens.value
    flops = iteration.work.total.flops.value
    boundTokensPerSecond = iteration.throughput.value
    boundTokensPerSecondPerDevice = iteration.throughput.value / Double(devices)
    boundSeconds = iteration.times.bound.value
    boundBy = iteration.times.binding?.name ?? "nothing"
    inTurnTokensPerSecond = iteration.throughputInTurn.value
    inTurnSeconds = iteration.work.timeInTurn.value
    expectedActiveCopies = prediction.expectedActiveCopies
    let precision = prediction.precision
    let elasticities = Elasticity.all(of: iteration.work)
    roofs = elasticities.map { elasticity in
      let resource = elasticity.resource
      let time = iteration.times[resource]
      return Roof(
        resource: resource.name,
        capacityPerSecond: resource.carriesBytes
          ? machine.bandwidth(of: resource).value
          : resource == .sharedArithmetic
            ? nil : machine.peakRate(for: precision, of: resource).value,
        ridgeFlopsPerByte: resource.carriesBytes && resource != .sharedMemory
          ? machine.ridgePoint(for: precision, over: resource) : nil,
        bytes: resource.carriesBytes ? iteration.work.total.bytes(of: resource).value : nil,
        seconds: time.value, shareOfBound: time / iteration.times.bound,
        elasticityOfBound: elasticity.ofBound, elasticityInTurn: elasticity.inTurn)
    }
    parts = iteration.work.parts.map { part in
      Part(
        stage: part.stage, part: part.name, layers: part.layers,
        amounts: PredictAmounts(part.work), seconds: part.launches.timeInTurn.value,
        boundBy: part.launches.binding?.name ?? "")
    }
    let count = deployment.model.layers
    layers = iteration.work.layers.enumerated().map { index, work in
      let times = machine.times(of: work)
      return Layer(
        layer: index < count ? index : nil, amounts: PredictAmounts(work),
        seconds: times.bound.value, boundBy: times.binding?.name ?? "")
    }
    streamed = prediction.streamed.map(PredictStreamed.init)
    remarks = prediction.remarks
    let workload = scenario.workload
    let what =
      workload.requests.map { "requests of \($0.prompt) and \($0.output) tokens" }
      ?? "\(workload.phase.rawValue), context of \(workload.context) tokens"
    self.workload = "\(scenario.sequences) sequences, \(what)"
  }

  func json() throws -> String { try jsonText(self) }
}
