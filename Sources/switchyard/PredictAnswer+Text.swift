import Results
import Roofline
import Scenario
import Units

extension PredictAnswer {
  var text: String {
    var sections = [
      "\(name)\n\(model), \(cluster), \(devices) device\(devices == 1 ? "" : "s")\n\(workload)\n",
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
    let columns = PredictAmounts.columns(of: parts.map(\.amounts))
    var table = TextTable(
      [.left("operators"), .right("layers")] + columns.map { .right($0.title) } + [
        .right("time"), .left("bound by"),
      ])
    var stage = ""
    for part in parts {
      if part.stage != stage { table.add("  " + part.stage) }
      stage = part.stage
      table.add(
        ["    " + part.part, part.layers > 0 ? "\(part.layers)" : ""]
          + columns.map { $0.words(part.amounts) } + ["\(Seconds(part.seconds))", part.boundBy])
    }
    return table.description
  }

  /// Neighbours that are alike in one row.
  private var layerText: String {
    let columns = PredictAmounts.columns(of: layers.map(\.amounts)).filter { !$0.isRatio }
    var table = TextTable(
      [.left("layers")] + columns.map { .right($0.title) } + [.right("time"), .left("bound by")])
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
        ["  " + name] + columns.map { $0.words(first.amounts) }
          + ["\(Seconds(first.seconds))", first.boundBy])
      index = last + 1
    }
    return table.description
  }
}

extension PredictAnswer.Layer {
  /// Whether both are the same to a hundredth.
  fileprivate func isLike(_ other: Self) -> Bool {
    boundBy == other.boundBy && abs(seconds - other.seconds) <= 0.01 * seconds
      && abs(amounts.flops - other.amounts.flops) <= 0.01 * amounts.flops
  }
}

extension PredictAnswer {
  /// What a file begins with that may be replaced.
  static let csvStart = "stage,"

  var csv: String {
    parts.reduce(
      into: "stage,part,layers,\(PredictAmounts.csvColumns),seconds,bound_by\n"
    ) {
      $0 +=
        "\($1.stage),\($1.part),\($1.layers),\($1.amounts.csv),\($1.seconds),\($1.boundBy)\n"
    }
  }

  /// The roofline with a point for what devices do of each operator, those that take longest labelled first.
  func picture(of prediction: ScenarioPrediction) -> RooflinePicture {
    RooflinePicture(
      title: name, machine: prediction.iteration.machine, precision: prediction.precision,
      points: parts.filter { $0.seconds > 0 }.sorted { $0.seconds > $1.seconds }.map {
        RooflinePicture.Point(
          label: $0.part, flops: FLOPs($0.amounts.deviceFlops),
          memory: Bytes($0.amounts.memoryBytes),
          rate: ComputeRate($0.amounts.deviceFlops / $0.seconds))
      })
  }
}
