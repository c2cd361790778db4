import Models
import StrictYAML

/// What a person asked of the hardware that it does not have. ``sentence`` is what they read.
public enum HardwareError: Error, Hashable, Sendable, CustomStringConvertible {
  /// No catalogue entry of this kind ("device") has the name; `suggestions` come nearest.
  case unknownName(String, kind: String, suggestions: [String])
  /// The device multiplies neither in this precision nor in one that could stand in for it.
  case noRate(Precision, device: String, has: [Precision])
  case deviceCount(Int, node: String, available: Int)
  case nodeCount(Int)

  /// What is wrong and what would be right.
  public var sentence: String {
    switch self {
    case .unknownName(let name, let kind, let suggestions):
      let hint =
        suggestions.isEmpty
        ? "'switchyard catalogue \(kind)s' lists them"
        : "did you mean \(suggestions.map { "'\($0)'" }.joined(separator: " or "))?"
      return "there is no \(kind) '\(name)' in the catalogue; \(hint)"
    case .noRate(let precision, let device, let has):
      guard !has.isEmpty else { return "\(device) computes nothing: it is a drive" }
      return "\(device) has no compute rate for \(precision.rawValue), nor for a wider precision "
        + "that could stand in; it has \(has.map(\.rawValue).joined(separator: ", "))"
    case .deviceCount(let count, let node, let available):
      return "\(count) devices of a \(node) were asked for; it has 1 to \(available)"
    case .nodeCount(let count):
      return "a cluster of \(count) nodes was asked for; it needs 1 to \(Cluster.mostNodes)"
    }
  }

  public var description: String { sentence }

  /// An ``unknownName(_:kind:suggestions:)`` that suggests the name closest by spelling, or else up
  /// to three names that contain the word or one of its parts.
  static func unknown(_ name: String, kind: String, among names: [String]) -> HardwareError {
    let sorted = names.sorted()
    let lowercase = name.lowercased()
    var suggestions = nearest(to: lowercase, among: sorted).map { [$0] } ?? []
    if suggestions.isEmpty {
      suggestions = sorted.filter { $0.contains(lowercase) || lowercase.contains($0) }
    }
    if suggestions.isEmpty {
      let parts = lowercase.split { !$0.isLetter && !$0.isNumber }.filter { $0.count > 2 }
      suggestions = sorted.filter { candidate in parts.contains { candidate.contains($0) } }
    }
    return .unknownName(name, kind: kind, suggestions: Array(suggestions.prefix(3)))
  }
}
