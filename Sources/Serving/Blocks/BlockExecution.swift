import Traces

/// Experts that are computed away from where they live, block by block.
///
/// The tokens of an expert are cut in blocks. A device that is dealt a block of an expert which it does
/// not hold reads that expert's weights from the nearest device that does, once in a layer of an
/// iteration however many of its blocks it has. After arXiv 2510.05497 (Orders in Chaos).
public struct BlockExecution: Hashable, Sendable {
  /// Of one block; an expert's last one may have fewer.
  public var tokensPerBlock: Int
  public var choice: Choice
  public var duplicates: Duplicates?

  /// Who computes a block.
  public enum Choice: Hashable, Sendable {
    /// All devices in turn, wherever the expert lives, as if the machine were one.
    case everywhere
    /// Whoever is expected to be done first, of the devices that hold the expert and those next to
    /// them: see ``BlockAllocator``.
    ///
    /// - Parameter candidates: Only so many of them, the least loaded ones; all where nil.
    case allocator(candidates: Int?)
  }

  /// Copies of experts that were read, kept for later iterations.
  public struct Duplicates: Hashable, Sendable {
    /// The part of each device's memory that is kept free for them, in (0, 1].
    public var share: Double
    /// Kept are only so many experts of each layer, those that most tokens of the next iteration are
    /// expected to choose: ``SuccessionCounts``. Nil for every expert that is read.
    public var predicted: Int?

    public init(share: Double, predicted: Int? = nil) {
      self.share = share
      self.predicted = predicted
    }
  }

  /// Layers of more experts have nothing predicted.
  public static let mostPredictable = SuccessionCounts.mostExperts

  public init(tokensPerBlock: Int, choice: Choice, duplicates: Duplicates? = nil) {
    self.tokensPerBlock = tokensPerBlock
    self.choice = choice
    self.duplicates = duplicates
  }

  /// `blocks of 50 tokens by the allocator, 3 candidates`, for results.
  public var words: String {
    var words = "blocks of \(tokensPerBlock) tokens"
    switch choice {
    case .everywhere: words += " everywhere"
    case .allocator(let candidates):
      words += " by the allocator" + (candidates.map { ", \($0) candidates" } ?? "")
    }
    guard let duplicates else { return words }
    words += ", duplicates in \(percent(duplicates.share)) of memory"
    return words + (duplicates.predicted.map { ", of \($0) predicted experts" } ?? "")
  }
}

private func percent(_ share: Double) -> String {
  let value = (share * 1e6).rounded() / 1e4
  return value == value.rounded() ? "\(Int(value)) %" : "\(value) %"
}
