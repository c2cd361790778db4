import Engine
import Units

/// Weights that live in host memory and go to the device layer by layer, through two buffers there.
public struct StreamedWeights: Hashable, Sendable {
  /// Of the companion's memory, for keys and values; all that weights leave of it where nil.
  public var cache: Bytes?
  /// A queue of its own kind, ``CopyQueue/init(chunk:first:)``, where nil.
  public var copies: Copies?

  /// How copies of weights, and vectors of tokens, come to the link between host and device.
  public enum Copies: Hashable, Sendable {
    /// Whatever is under way shares the link fairly at every moment.
    case fair
    /// Each direction has a copy engine, which does one copy after the other.
    case queued(CopyQueue)
  }

  public init(cache: Bytes? = nil, copies: Copies? = nil) {
    self.cache = cache
    self.copies = copies
  }
}

/// What a copy engine does next when it is done with a copy.
public struct CopyQueue: Hashable, Sendable {
  /// Of weights, after which the engine looks who waits; all of a part of the model where nil. Of no
  /// effect where weights go first.
  public var chunk: Bytes?
  public var first: First

  public enum First: String, CaseIterable, Hashable, Sendable {
    /// What tokens need: queries, keys, values, and the results of attention.
    case vectors
    case weights
    /// Whatever waits longest.
    case oldest
  }

  /// MoE-Lens' packets of 100 MB (arXiv 2504.09345, its contiguous data mover).
  public init(chunk: Bytes? = Bytes(100e6), first: First = .vectors) {
    self.chunk = chunk
    self.first = first
  }

  /// A model of a terabyte has a million pieces of it.
  static let leastChunk = Bytes(1e6)

  var vectorPrecedence: TurnPrecedence { first == .vectors ? .urgent : .usual }
  var weightPrecedence: TurnPrecedence { first == .weights ? .urgent : .usual }
}
