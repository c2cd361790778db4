import Units

/// Why a collective cannot be made, or a traffic matrix cannot be read.
///
/// The cases carry what a helpful sentence needs; ``sentence`` is the one place that writes it.
public enum CollectiveError: Error, Hashable, Sendable {
  case unknownOperation(word: String)
  case noAlgorithm(operation: CollectiveKind, word: String)
  case withoutEffect(option: Option, operation: CollectiveKind, algorithm: CollectiveAlgorithm)
  case chunksBelowOne(Int)
  case noSuchRank(option: Option, rank: Int, ranks: Int)
  case tensorWidthMissing
  case tensorWidthDoesNotDivide(width: Int, node: Int, ranks: Int)
  case needsOneNode(operation: CollectiveKind, algorithm: CollectiveAlgorithm, nodes: Int)
  case noRanks
  /// Neither bytes nor a matrix.
  case bytesMissing(operation: CollectiveKind)
  /// Bytes and a matrix, of which one would be ignored.
  case bytesAndMatrix
  case badBytes(Double)
  case matrixWithoutEffect(operation: CollectiveKind)
  case matrixOfOtherSize(ranks: Int, wanted: Int)
  case tooManySteps(ScheduleSize)
  /// A file of a matrix that cannot be read; `line` counts from 1.
  case malformedMatrix(line: Int?, detail: String)

  /// An option by the word that a person writes.
  public enum Option: String, Sendable {
    case chunks, root, target
    case tensorWidth = "tensor-width"
  }

  /// What is wrong and what would be right, in one sentence without a full stop.
  public var sentence: String {
    switch self {
    case .unknownOperation(let word):
      "there is no collective '\(word)'; there are \(list(CollectiveKind.allCases))"
    case .noAlgorithm(let operation, let word):
      "\(operation.rawValue) has no algorithm '\(word)'; it has \(list(operation.algorithms))"
    case .withoutEffect(let option, let operation, let algorithm):
      "\(option.rawValue) has no effect on \(operation.rawValue) by \(algorithm.rawValue); "
        + "leave it out"
    case .chunksBelowOne(let chunks): "\(chunks) chunks cannot be; there is at least 1"
    case .noSuchRank(let option, let rank, let ranks):
      "\(option.rawValue) \(rank) is not a rank; there are ranks 0 to \(ranks - 1)"
    case .tensorWidthMissing:
      "tensor-coordinated all-to-all needs tensor-width: how many ranks hold the same rows"
    case .tensorWidthDoesNotDivide(let width, let node, let ranks):
      "tensor-width \(width) does not divide the \(ranks) ranks of node \(node)"
    case .needsOneNode(let operation, let algorithm, let nodes):
      "\(operation.rawValue) by \(algorithm.rawValue) works inside one node, and there are "
        + "\(nodes); " + alternatives(to: algorithm, of: operation)
    case .noRanks: "a collective needs at least one rank"
    case .bytesMissing(let operation):
      operation == .allToAll
        ? "all-to-all needs its bytes or a traffic matrix" : "\(operation.rawValue) needs its bytes"
    case .bytesAndMatrix: "a traffic matrix says all bytes; leave the other bytes out"
    case .badBytes(let bytes): "\(bytes) bytes cannot be sent; the amount is 0 or more and finite"
    case .matrixWithoutEffect(let operation):
      "a traffic matrix has no effect on \(operation.rawValue); it is for all-to-all"
    case .matrixOfOtherSize(let ranks, let wanted):
      "the traffic matrix is of \(ranks) ranks, and there are \(wanted)"
    case .tooManySteps(let size):
      "the schedule would have up to \(size.steps) steps and take \(size.memory); "
        + "at most \(Int32.max) steps can be numbered"
    case .malformedMatrix(let line?, let detail): "line \(line): \(detail)"
    case .malformedMatrix(nil, let detail): detail
    }
  }

  private func list<Word: RawRepresentable>(_ words: [Word]) -> String
  where Word.RawValue == String {
    words.map(\.rawValue).joined(separator: ", ")
  }

  private func alternatives(
    to algorithm: CollectiveAlgorithm, of operation: CollectiveKind
  ) -> String {
    "between nodes there are \(list(operation.algorithms.filter { $0 != algorithm }))"
  }
}
