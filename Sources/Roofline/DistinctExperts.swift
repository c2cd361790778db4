import Foundation

/// How many different experts some tokens are expected to choose.
public enum DistinctExperts {
  /// The sum over experts of the chance that at least one of n independent tokens chooses it:
  ///
  ///     sum of 1 - (1 - p)^n
  ///
  /// for experts that a token chooses with probability p each; Σp = k. Tokens of one text choose
  /// alike, so that real batches have somewhat fewer. O(experts).
  ///
  /// - Parameter copies: In how many places each expert lives, among which its tokens are dealt; one
  ///   where nil. The answer then counts places.
  public static func expected(
    probabilities: [Double], tokens: Double, copies: [Int]? = nil
  ) -> Double {
    guard tokens > 0 else { return 0 }
    var sum = 0.0
    for (expert, probability) in probabilities.enumerated() where probability > 0 {
      let places = Double(max(1, copies?[expert] ?? 1))
      guard probability < 1 else {
        sum += min(places, tokens)
        continue
      }
      // -expm1(n log1p(-p)) keeps its digits where p is small.
      sum += places * -expm1(tokens * log1p(-probability / places))
    }
    return sum
  }
}
