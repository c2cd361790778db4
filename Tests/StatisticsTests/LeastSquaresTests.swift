import Foundation
import Testing

@testable import Statistics

@Test func aStraightLineIsFittedAsByHand() throws {
  // x = 0, 1, 2, 3; y = 1, 3, 2, 5. By hand: slope = sum (x - 1.5)(y - 2.75) / 5 = 5.5 / 5 = 1.1,
  // intercept 2.75 - 1.65 = 1.1, residuals .1, -.8, 1.3, -.6, their squares' sum 2.7; the slope's
  // standard error is sqrt(2.7 / 2 / 5), the intercept's sqrt(2.7 / 2 (1 / 4 + 2.25 / 5)).
  let y = [1.0, 3, 2, 5]
  let fit = try LeastSquares(
    parameters: [.init("intercept", start: 0), .init("slope", start: 0)], residualCount: 4
  ).solved { values, residuals in
    for x in 0..<4 { residuals[x] = values[0] + values[1] * Double(x) - y[x] }
  }
  #expect(fit.status == .converged)
  #expect(abs(fit.values[0] - 1.1) < 1e-8 && abs(fit.values[1] - 1.1) < 1e-8)
  #expect(abs(fit.objective - 2.7) < 1e-10)
  #expect(abs(fit.standardErrors[1] - 0.27.squareRoot()) < 1e-6)
  #expect(abs(fit.standardErrors[0] - 0.945.squareRoot()) < 1e-6)
}

@Test func rosenbrocksValleyIsFollowedToItsEnd() throws {
  // 100 (y - x^2)^2 + (1 - x)^2, whose only minimum is 0 at (1, 1); the usual start is (-1.2, 1).
  let fit = try LeastSquares(
    parameters: [.init("x", start: -1.2), .init("y", start: 1)], residualCount: 2
  ).solved { values, residuals in
    residuals[0] = 10 * (values[1] - values[0] * values[0])
    residuals[1] = 1 - values[0]
  }
  #expect(abs(fit.values[0] - 1) < 1e-7 && abs(fit.values[1] - 1) < 1e-7)
}

@Test func aPositiveParameterStaysPositiveAndABoundedOneWithinItsBounds() throws {
  // The unbounded minima are at -3 and at 2; the bounds are approached and not passed.
  var seen: [[Double]] = []
  let fit = try LeastSquares(
    parameters: [
      .init("a", start: 1, in: .positive), .init("b", start: 0.5, in: .between(0, 1)),
    ], residualCount: 2
  ).solved { values, residuals in
    seen.append(values)
    residuals = [values[0] + 3, values[1] - 2]
  }
  #expect(seen.allSatisfy { $0[0] >= 0 && (0...1).contains($0[1]) })
  #expect(fit.values[0] < 1e-3 && fit.values[1] > 1 - 1e-3)
}

@Test func boundsDoNotMoveAMinimumThatLiesBetweenThem() throws {
  // An exponential through its own points: amplitude 5, rate 0.3, share 0.25.
  let x = (0..<30).map { Double($0) * 0.5 }
  let fit = try LeastSquares(
    parameters: [
      .init("amplitude", start: 1, in: .positive), .init("rate", start: 1, in: .positive),
      .init("share", start: 0.9, in: .between(0, 1)),
    ], residualCount: 30
  ).solved { values, residuals in
    for index in x.indices {
      residuals[index] =
        values[0] * exp(-values[1] * x[index]) + values[2] - 5 * exp(-0.3 * x[index]) - 0.25
    }
  }
  for (found, right) in zip(fit.values, [5, 0.3, 0.25]) { #expect(abs(found - right) < 1e-6) }
}

@Test func outliersSteerASquaredLossAndNotCauchys() throws {
  // A seeded constant 10 +- 0.1 with a tenth of the points at 100: the mean is near 19.
  var stream = RandomStream(seed: 1, name: "outliers")
  let sample = (0..<100).map { $0 % 10 == 0 ? 100 : 9.9 + 0.2 * stream.uniform() }
  func centre(_ loss: LeastSquares.Loss) throws -> Double {
    try LeastSquares(
      parameters: [.init("centre", start: 12, in: .positive)], residualCount: 100, loss: loss
    ).solved { values, residuals in
      for index in sample.indices { residuals[index] = sample[index] - values[0] }
    }.values[0]
  }
  #expect(abs(try centre(.squared) - (mean(of: sample) ?? 0)) < 1e-6)
  #expect(abs(try centre(.cauchy(scale: 0.1)) - 10) < 0.05)
}

@Test func aParameterWithoutEffectHasAnInfiniteError() throws {
  let fit = try LeastSquares(
    parameters: [.init("used", start: 1), .init("unused", start: 1)], residualCount: 3
  ).solved { values, residuals in
    for index in 0..<3 { residuals[index] = values[0] - Double(index) }
  }
  #expect(abs(fit.values[0] - 1) < 1e-8)
  #expect(fit.standardErrors[1] == .infinity || fit.standardErrors[1] > 1e3)
}

@Test func wrongQuestionsAreRefusedWithASentence() {
  func error(_ problem: LeastSquares, _ value: Double = 0) -> LeastSquaresError? {
    do {
      _ = try problem.solved { _, residuals in
        for index in residuals.indices { residuals[index] = value }
      }
      return nil
    } catch { return error }
  }
  let one = [LeastSquares.Parameter("a", start: 1)]
  #expect(error(LeastSquares(parameters: [], residualCount: 3)) == .noParameters)
  #expect(
    error(LeastSquares(parameters: one + one, residualCount: 1))
      == .tooFewResiduals(1, parameters: 2))
  #expect(
    error(
      LeastSquares(parameters: [.init("a", start: -1, in: .positive)], residualCount: 2))?.sentence
      == "the search for 'a' begins at -1.0, outside of its bounds")
  #expect(error(LeastSquares(parameters: one, residualCount: 2), .nan) == .notFiniteAtStart)
  #expect(
    error(LeastSquares(parameters: one, residualCount: 2, loss: .cauchy(scale: 0)))
      == .badScale(0))
}
