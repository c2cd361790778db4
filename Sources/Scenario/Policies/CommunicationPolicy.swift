import Models
import Serving
import StrictYAML

/// How dispatch and combine are carried:
///
/// ```yaml
/// communication: flat                          # every pair of devices for itself
/// communication: {kind: flat, model: home, dispatch: fp8, combine: bf16, overlap: shared-experts}
/// ```
struct CommunicationPolicy {
  /// What a token's vector is sent in; nil for the activations' precision.
  var dispatch: Precision?
  /// What it returns in; nil for bf16.
  var combine: Precision?

  var overlap = Deployment.Overlap.none

  static let flat = CommunicationPolicy()

  enum Kind: String, PolicyKind {
    case flat

    var keys: [String] { ["model", "dispatch", "combine", "overlap"] }
  }

  /// Where tokens are between layers.
  enum Model: String, CaseIterable {
    /// Each returns to its own device.
    case home
  }

  func words(_ exchange: Deployment.Exchange) -> String {
    "flat, tokens return home, dispatch \(exchange.dispatch), combine \(exchange.combine)"
      + (exchange.overlap == .none ? "" : ", shared experts beside the dispatch")
  }
}

extension ScenarioReader {
  func communicationPolicy(_ value: Value) -> CommunicationPolicy? {
    guard let reader = PolicyReader<CommunicationPolicy.Kind>("communication", value, problems)
    else { return nil }
    defer { reader.finish() }
    guard let mapping = reader.mapping else { return .flat }
    let model = mapping.word("model", CommunicationPolicy.Model.self, default: .home)
    let dispatch = mapping.optional("dispatch")
    let combine = mapping.optional("combine")
    let overlap = mapping.word("overlap", Deployment.Overlap.self, default: Deployment.Overlap.none)
    let policy = CommunicationPolicy(
      dispatch: dispatch?.word("dispatch", Precision.self, problems),
      combine: combine?.word("combine", Precision.self, problems), overlap: overlap ?? .none)
    let isWhole =
      model != nil && overlap != nil && (dispatch == nil) == (policy.dispatch == nil)
      && (combine == nil) == (policy.combine == nil)
    return isWhole ? policy : nil
  }
}
