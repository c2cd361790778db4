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
    var flops: Double
    var memoryBytes: Double
    /// Of those, of the devices' own memory.
    var deviceBytes: Double
    var linkBytes: Double
    var seconds: Double
    var boundBy: String
  }

  struct Layer: Encodable {
    /// Absent for what belongs to no layer.
    var layer: Int?
    var flops: Double
    var memoryBytes: Double
    var linkBytes: Double
    var seconds: Double
    var boundBy: String
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
  private let work: String

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
    inTurnSeconds = iteration.work.timeInTurn(on: machine).value
    expectedActiveCopies = prediction.expectedActiveCopies
    let precision = prediction.precision
    let elasticities = Elasticity.all(of: iteration.work, on: machine)
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
      let times = machine.times(of: part.work)
      return Part(
        stage: part.stage, part: part.name, layers: part.layers, flops: part.work.flops.value,
        memoryBytes: part.work.memoryBytes.value,
        deviceBytes: part.work.bytes(of: .memory).value, linkBytes: part.work.linkBytes.value,
        seconds: times.bound.value, boundBy: times.binding?.name ?? "")
    }
    let count = deployment.model.layers
    layers = iteration.work.layers.enumerated().map { index, work in
      let times = machine.times(of: work)
      return Layer(
        layer: index < count ? index : nil, flops: work.flops.value,
        memoryBytes: work.memoryBytes.value, linkBytes: work.linkBytes.value,
        seconds: times.bound.value, boundBy: times.binding?.name ?? "")
    }
    streamed = prediction.streamed.map(PredictStreamed.init)
    remarks = prediction.remarks
    let workload = scenario.workload
    let what =
      workload.requests.map { "requests of \($0.prompt) and \($0.output) tokens" }
      ?? "\(workload.phase.rawValue), context of \(workload.context) tokens"
    work = "\(scenario.sequences) sequences, \(what)"
  }

  func json() throws -> String { try jsonText(self) }
}

extension PredictAnswer {
  var text: String {
    var sections = [
      "\(name)\n\(model), \(cluster), \(devices) device\(devices == 1 ? "" : "s")\n\(work)\n",
      boundText, roofText, partText, layerText,
    ]
    if let streamed { sections.append(streamed.text) }
    sections.append("remarks\n" + remarks.map { "  - \($0)\n" }.joined())
    return sections.joined(separator: "\n")
  }

  private var boundText: String {
    var table = TextTable([.left(""), .left("")])
    table.add(
      "bound",
      "\(TokenRate(boundTokensPerSecond)), \(TokenRate(boundTokensPerSecondPerDevice)) per device")
    table.add("", "\(Seconds(boundSeconds)) an iteration, bound by \(boundBy)")
    table.add(
      "one thing at a time",
      "\(TokenRate(inTurnTokensPerSecond)), \(Seconds(inTurnSeconds)) an iteration")
    return table.description
  }

  private var roofText: String {
    var table = TextTable([
      .left("an iteration of \(Tokens(tokensPerIteration))"), .right("capacity"), .right("ridge"),
      .right("work"), .right("time"), .right("of bound"), .right("1 % gives"), .right("in turn"),
    ])
    for roof in roofs {
      let ridge = roof.ridgeFlopsPerByte.map { "\(fourDigits($0)) FLOP/B" } ?? ""
      table.add(
        "  " + roof.resource,
        roof.capacityPerSecond.map {
          roof.bytes == nil ? "\(ComputeRate($0))" : "\(Bandwidth($0))"
        } ?? "",
        ridge, roof.bytes.map { "\(Bytes($0))" } ?? "", "\(Seconds(roof.seconds))",
        fixed(roof.shareOfBound * 100, decimals: 1) + " %",
        fixed(roof.elasticityOfBound, decimals: 2) + " %",
        fixed(roof.elasticityInTurn, decimals: 2) + " %")
    }
    return table.description
  }

  private var partText: String {
    var table = TextTable([
      .left("operators"), .right("layers"), .right("FLOPs"), .right("memory"), .right("links"),
      .right("FLOP/B"), .right("time"), .left("bound by"),
    ])
    var stage = ""
    for part in parts {
      if part.stage != stage { table.add("  " + part.stage) }
      stage = part.stage
      let perByte = part.deviceBytes > 0 ? part.flops / part.deviceBytes : 0
      table.add(
        "    " + part.part, part.layers > 0 ? "\(part.layers)" : "", amount(FLOPs(part.flops)),
        amount(Bytes(part.memoryBytes)), amount(Bytes(part.linkBytes)),
        perByte > 0 ? fourDigits(perByte) : "", "\(Seconds(part.seconds))", part.boundBy)
    }
    return table.description
  }

  /// Neighbours that are alike in one row.
  private var layerText: String {
    var table = TextTable([
      .left("layers"), .right("FLOPs"), .right("memory"), .right("links"), .right("time"),
      .left("bound by"),
    ])
    var index = 0
    while index < layers.count {
      let first = layers[index]
      var last = index
      while last + 1 < layers.count, layers[last + 1].layer != nil,
        layers[last + 1].isLike(first)
      {
        last += 1
      }
      let name =
        first.layer.map { last > index ? "\($0) to \(last), each" : "\($0)" } ?? "none of them"
      table.add(
        "  " + name, amount(FLOPs(first.flops)), amount(Bytes(first.memoryBytes)),
        amount(Bytes(first.linkBytes)), "\(Seconds(first.seconds))", first.boundBy)
      index = last + 1
    }
    return table.description
  }

  private func amount<Unit>(_ amount: Quantity<Unit>) -> String {
    amount.value > 0 ? "\(amount)" : ""
  }
}

extension PredictAnswer.Layer {
  /// Whether both are the same to a hundredth.
  fileprivate func isLike(_ other: Self) -> Bool {
    boundBy == other.boundBy && abs(seconds - other.seconds) <= 0.01 * seconds
      && abs(flops - other.flops) <= 0.01 * flops
  }
}

extension PredictAnswer {
  /// What a file begins with that may be replaced.
  static let csvStart = "stage,"

  var csv: String {
    parts.reduce(into: "stage,part,layers,flop,memory_bytes,link_bytes,seconds,bound_by\n") {
      $0 +=
        "\($1.stage),\($1.part),\($1.layers),\($1.flops),\($1.memoryBytes),\($1.linkBytes),"
        + "\($1.seconds),\($1.boundBy)\n"
    }
  }

  /// The roofline with a point for each operator, those that take longest labelled first.
  func picture(of prediction: ScenarioPrediction) -> RooflinePicture {
    RooflinePicture(
      title: name, machine: prediction.iteration.machine, precision: prediction.precision,
      points: parts.filter { $0.seconds > 0 }.sorted { $0.seconds > $1.seconds }.map {
        RooflinePicture.Point(
          label: $0.part, flops: FLOPs($0.flops), memory: Bytes($0.deviceBytes),
          rate: ComputeRate($0.flops / $0.seconds))
      })
  }
}

extension Work {
  /// Of whichever memories.
  var memoryBytes: Bytes {
    bytes(of: .memory) + bytes(of: .companionMemory) + bytes(of: .sharedMemory)
  }

  var linkBytes: Bytes {
    bytes(of: .scaleUp) + bytes(of: .network) + bytes(of: .companionLink)
  }
}
