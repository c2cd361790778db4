import Results
import Roofline
import Scenario
import StrictYAML
import Units

/// What `predict --sweep` says: a row for each value.
struct PredictSweepAnswer: Encodable {
  struct Point: Encodable {
    var value: Double
    var tokensPerIteration: Double
    var boundTokensPerSecond: Double
    var inTurnTokensPerSecond: Double
    var boundBy: String
    var amounts: PredictAmounts
    /// By resource: its time over the bound's.
    var sharesOfBound: [String: Double]
    var expectedActiveCopies: Double
    /// Where weights come from host memory.
    var streamed: PredictStreamed?

    func encode(to encoder: any Encoder) throws {
      try amounts.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(value, forKey: .value)
      try container.encode(tokensPerIteration, forKey: .tokensPerIteration)
      try container.encode(boundTokensPerSecond, forKey: .boundTokensPerSecond)
      try container.encode(inTurnTokensPerSecond, forKey: .inTurnTokensPerSecond)
      try container.encode(boundBy, forKey: .boundBy)
      try container.encode(sharesOfBound, forKey: .sharesOfBound)
      try container.encode(expectedActiveCopies, forKey: .expectedActiveCopies)
      try container.encodeIfPresent(streamed, forKey: .streamed)
    }

    private enum CodingKeys: CodingKey {
      case value, tokensPerIteration, boundTokensPerSecond, inTurnTokensPerSecond, boundBy
      case sharesOfBound, expectedActiveCopies, streamed
    }
  }

  struct Refusal: Encodable {
    var value: Double
    var reason: String
  }

  var name: String
  var path: String
  /// Of the points' values; empty without one.
  var unit: String
  var points: [Point] = []
  /// Values with which the scenario cannot be, each with the first reason.
  var leftOut: [Refusal] = []
  /// Of the last point; the same in all unless the path is one of the machine's.
  private var last: ScenarioPrediction?
  private let sweep: PredictSweep

  private enum CodingKeys: CodingKey { case name, path, unit, points, leftOut }

  /// So many values that cannot be are tried before the first that can.
  private static let mostRefusedFirst = 100

  /// - Throws: `Problems` of the first value where none can be, or none of the first hundred, `CommandFailure`
  ///   where nothing depends on the path.
  init(_ sweep: PredictSweep, of scenarios: inout PredictableScenarios) throws {
    self.sweep = sweep
    path = sweep.path
    unit = sweep.unit
    name = ""
    var progress = Progress("points", of: sweep.values.count)
    defer { progress.finish() }
    var firstProblems: Problems?
    for value in sweep.values {
      defer { progress.advance() }
      do {
        let prediction = try scenarios.prediction(setting: sweep.setting(value))
        name = prediction.scenario.name
        points.append(Point(value, prediction))
        last = prediction
      } catch let problems as Problems {
        firstProblems = firstProblems ?? problems
        guard let reason = problems.list.first,
          !points.isEmpty || leftOut.count < Self.mostRefusedFirst
        else { break }
        leftOut.append(Refusal(value: value, reason: reason.description))
      }
    }
    if let firstProblems, points.isEmpty { throw firstProblems }
    guard points.count > 1, let first = points.first else { return }
    let isIdle = points.allSatisfy {
      $0.boundTokensPerSecond == first.boundTokensPerSecond
        && $0.inTurnTokensPerSecond == first.inTurnTokensPerSecond
        && $0.tokensPerIteration == first.tokensPerIteration
    }
    guard !isIdle else {
      throw CommandFailure(
        "--sweep \(sweep.argument) has no effect: '\(sweep.path)' changes nothing that is predicted"
      )
    }
  }

  func json() throws -> String { try jsonText(self) }

  var text: String {
    let isStreamed = points.contains { $0.streamed != nil }
    var table = TextTable(
      [
        .right(path), .right("bound"), .right("one thing at a time"), .left("bound by"),
        .right("FLOP/B"), .right("experts read"),
      ] + (isStreamed ? [.right("stage 1, generated"), .right("stage 2, generated")] : []))
    for point in points {
      let stages = [
        point.streamed?.firstStageGeneratedPerSecond, point.streamed?.secondStageGeneratedPerSecond,
      ].map { $0.map { "\(TokenRate($0))" } ?? "" }
      table.add(
        [
          sweep.words(point.value), "\(TokenRate(point.boundTokensPerSecond))",
          "\(TokenRate(point.inTurnTokensPerSecond))", point.boundBy,
          point.amounts.deviceFlopsPerByte.map { fourDigits($0) } ?? "",
          fixed(point.expectedActiveCopies, decimals: 1),
        ] + (isStreamed ? stages : []))
    }
    return name + "\n\n" + table.description + leftOutText
  }

  /// How many values are left out, with the first one's reason; empty without any.
  private var leftOutText: String {
    guard let first = leftOut.first else { return "" }
    return wrapped(
      "\(leftOut.count) of \(sweep.values.count) values are left out, the first \(sweep.words(first.value)): "
        + first.reason)
  }

  /// What a file begins with that may be replaced.
  static let csvStart = "value,"

  var csv: String {
    var text =
      "value,unit,tokens_per_iteration,bound_tokens_per_s,in_turn_tokens_per_s,bound_by,"
      + "\(PredictAmounts.csvColumns),expected_active_copies,gpu_tokens_per_s,stage1_tokens_per_s,"
      + "stage1_generated_per_s,stage2_generated_per_s\n"
    for point in points {
      text +=
        "\(point.value),\(sweep.unit),\(point.tokensPerIteration),\(point.boundTokensPerSecond),"
        + "\(point.inTurnTokensPerSecond),\(point.boundBy),\(point.amounts.csv),"
        + "\(point.expectedActiveCopies)"
      let streamed = point.streamed
      for value in [
        streamed?.gpuTokensPerSecond, streamed?.firstStageTokensPerSecond,
        streamed?.firstStageGeneratedPerSecond, streamed?.secondStageGeneratedPerSecond,
      ] { text += "," + (value.map { "\($0)" } ?? "") }
      text += "\n"
    }
    return text
  }

  /// The roofline with a point for each value; nil where there is none.
  var picture: RooflinePicture? {
    guard let last else { return nil }
    return RooflinePicture(
      title: name, machine: last.iteration.machine, precision: last.precision,
      points: points.map {
        RooflinePicture.Point(
          label: sweep.words($0.value), flops: FLOPs($0.amounts.deviceFlops),
          memory: Bytes($0.amounts.memoryBytes),
          // What the bound's time makes of the operations.
          rate: ComputeRate(
            $0.amounts.deviceFlops * $0.boundTokensPerSecond / $0.tokensPerIteration))
      })
  }
}

extension PredictSweepAnswer.Point {
  init(_ value: Double, _ prediction: ScenarioPrediction) {
    let iteration = prediction.iteration
    self.value = value
    tokensPerIteration = iteration.tokens.value
    boundTokensPerSecond = iteration.throughput.value
    inTurnTokensPerSecond = iteration.throughputInTurn.value
    boundBy = iteration.times.binding?.name ?? ""
    amounts = PredictAmounts(iteration.work.total)
    sharesOfBound = Dictionary(
      uniqueKeysWithValues: iteration.times.shares.map { ($0.resource.name, $0.share) })
    expectedActiveCopies = prediction.expectedActiveCopies
    streamed = prediction.streamed.map(PredictStreamed.init)
  }
}
