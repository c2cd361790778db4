import Fabric
import Models
import Serving
import StrictYAML

/// How dispatch and combine are carried:
///
/// ```yaml
/// communication: flat                          # every pair of devices for itself
/// communication: two-hop                       # or hierarchical, leader, bi-level, tensor-coordinated
/// communication: {kind: flat, model: home, dispatch: fp8, combine: bf16, overlap: shared-experts}
/// ```
struct CommunicationPolicy {
  /// What a token's vector is sent in; nil for the activations' precision.
  var dispatch: Precision?
  /// What it returns in; nil for bf16.
  var combine: Precision?

  var overlap = Deployment.Overlap.none
  var residence = Deployment.TokenResidence.home
  var algorithm = CollectiveAlgorithm.flat
  var options = CollectiveOptions()
  var library = Library.nccl
  /// Given to the library on each device; nil for none.
  var multiprocessors: Int?

  static let flat = CommunicationPolicy()

  enum Kind: String, PolicyKind {
    case flat
    case hierarchical
    case leader
    case biLevel = "bi-level"
    case tensorCoordinated = "tensor-coordinated"
    case twoHop = "two-hop"

    var keys: [String] {
      ["model", "dispatch", "combine", "overlap", "chunks", "library", "multiprocessors"]
        + (self == .tensorCoordinated ? ["tensor-width"] : [])
    }

    var algorithm: CollectiveAlgorithm {
      switch self {
      case .flat: .flat
      case .hierarchical: .hierarchical
      case .leader: .leader
      case .biLevel: .biLevel
      case .tensorCoordinated: .tensorCoordinated
      case .twoHop: .twoHop
      }
    }
  }

  /// Whose launch and protocol are added to the bytes.
  enum Library: String, CaseIterable {
    case nccl
    case deepEPNormal = "deepep-normal"
    case deepEPLowLatency = "deepep-low-latency"
    case cannFused = "cann-fused"
    /// Nobody's: an exchange starts up in the node's collective latency.
    case none
  }

  func words(_ exchange: Deployment.Exchange) -> String {
    "\(algorithm.rawValue)"
      + (options.chunks.map { " in \($0) chunks" } ?? "") + " by \(library.rawValue)"
      + ", tokens \(residence == .home ? "return home" : "stay with an expert")"
      + ", dispatch \(exchange.dispatch), combine \(exchange.combine)"
      + (exchange.overlap == .none ? "" : ", shared experts beside the dispatch")
  }
}

extension ScenarioReader {
  func communicationPolicy(_ value: Value) -> CommunicationPolicy? {
    guard let reader = PolicyReader<CommunicationPolicy.Kind>("communication", value, problems)
    else { return nil }
    defer { reader.finish() }
    guard let mapping = reader.mapping else {
      return CommunicationPolicy(algorithm: reader.kind.algorithm)
    }
    let chunks = mapping.optionalInteger("chunks", in: 1...1024)
    let library = mapping.word("library", CommunicationPolicy.Library.self, default: .nccl)
    let multiprocessors = mapping.optionalInteger("multiprocessors", in: 1...100_000)
    let takesWidth = reader.kind == .tensorCoordinated
    let width = takesWidth ? mapping.optionalInteger("tensor-width", in: 1...4096) : nil
    let residence = mapping.word(
      "model", Deployment.TokenResidence.self, default: Deployment.TokenResidence.home)
    let dispatch = mapping.optional("dispatch")
    let combine = mapping.optional("combine")
    let overlap = mapping.word("overlap", Deployment.Overlap.self, default: Deployment.Overlap.none)
    var policy = CommunicationPolicy(
      dispatch: dispatch?.word("dispatch", Precision.self, problems),
      combine: combine?.word("combine", Precision.self, problems), overlap: overlap ?? .none,
      residence: residence ?? .home,
      algorithm: reader.kind.algorithm,
      options: CollectiveOptions(chunks: chunks == 1 ? nil : chunks, tensorWidth: width))
    policy.library = library ?? .nccl
    policy.multiprocessors = multiprocessors
    let isWhole =
      library != nil && mapping.has("multiprocessors") == (multiprocessors != nil)
      && mapping.has("chunks") == (chunks != nil)
      && (takesWidth && mapping.has("tensor-width")) == (width != nil)
      && residence != nil && overlap != nil && (dispatch == nil) == (policy.dispatch == nil)
      && (combine == nil) == (policy.combine == nil)
    return isWhole ? policy : nil
  }
}
