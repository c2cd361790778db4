import Serving
import StrictYAML

/// Which processor runs each piece of expert work.
enum ExecutionPolicy {
  /// Experts stay in the memory of the device that computes them.
  case resident
  /// See ``BlockPolicy``.
  case blocks(BlockExecution)

  enum Kind: String, PolicyKind {
    case resident
    case blocks

    var keys: [String] { self == .blocks ? BlockPolicy.keys : [] }
  }

  var words: String {
    switch self {
    case .resident: Kind.resident.rawValue
    case .blocks(let blocks): blocks.words
    }
  }

  var blocks: BlockExecution? {
    if case .blocks(let blocks) = self { blocks } else { nil }
  }
}

extension ScenarioReader {
  func executionPolicy(_ value: Value) -> ExecutionPolicy? {
    guard let reader = PolicyReader<ExecutionPolicy.Kind>("execution", value, problems) else {
      return nil
    }
    defer { reader.finish() }
    switch reader.kind {
    case .resident: return .resident
    case .blocks: return blockPolicy(reader.mapping, at: value.location).map { .blocks($0) }
    }
  }
}
