import Models

/// Guessing tokens and verifying them in one pass.
///
/// In each iteration a sequence brings the token it has and `tokens` guesses through the model, which
/// says for each position what should have come; the guesses count up to the first that is wrong. The
/// next ones are made by the model's own prediction layer (DeepSeek-V3, arXiv 2412.19437, section
/// 2.2), once for each guess.
public struct Speculation: Hashable, Sendable {
  /// Guesses of each sequence in an iteration.
  public var tokens: Int
  /// The probability that a guess is right where all before it are, 0 to 1.
  public var acceptance: Double

  public init(tokens: Int, acceptance: Double) {
    self.tokens = tokens
    self.acceptance = acceptance
  }

  /// Tokens that an iteration gives a sequence on average: 1 + a + a^2 + ... + a^n (Y. Leviathan,
  /// M. Kalman and Y. Matias, arXiv 2211.17192, equation 1).
  public var acceptedTokens: Double {
    var sum = 1.0
    var right = 1.0
    for _ in 0..<tokens {
      right *= acceptance
      sum += right
    }
    return sum
  }
}

/// Turns an expected number of tokens into whole ones, iteration by iteration: what is left over
/// counts in the next one, so that no sum is off by a token.
struct TokenMeter {
  private let perIteration: Double
  private var iterations = 0
  private var counted = 0

  init(perIteration: Double) { self.perIteration = perIteration }

  /// Tokens of one more iteration.
  mutating func next() -> Int {
    iterations += 1
    // The hair's breadth keeps 1.7 x 10 from being 16.
    let total = Int((perIteration * Double(iterations) * (1 + 1e-12)).rounded(.down))
    defer { counted = total }
    return total - counted
  }
}
