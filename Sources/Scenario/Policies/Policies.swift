import Models
import Serving
import StrictYAML

/// What `policies` says, slot by slot; nil where a slot is wrong.
struct Policies {
  struct Slot<Policy> {
    var value: Policy
    var isDefault: Bool
  }

  var batching: Slot<Batching>?
  var routing: Slot<RoutingPolicy>?
  var placement: Slot<PlacementPolicy>?
  var execution: Slot<ExpertExecution>?
  var communication: Slot<CommunicationPolicy>?

  /// What was chosen, in words.
  func choices(_ exchange: Deployment.Exchange) -> [PolicyChoice] {
    [
      batching.map { choice("batching", $0, $0.value.words) },
      routing.map { choice("routing", $0, $0.value.rawValue) },
      placement.map { choice("placement", $0, $0.value.words) },
      execution.map { choice("execution", $0, $0.value.words) },
      communication.map { choice("communication", $0, $0.value.words(exchange)) },
    ].compactMap { $0 }
  }

  private func choice<Policy>(
    _ slot: String, _ policy: Slot<Policy>, _ words: String
  ) -> PolicyChoice {
    PolicyChoice(slot: slot, choice: words, isDefault: policy.isDefault)
  }
}

/// `policies`: every slot may be left out.
extension ScenarioReader {
  func policies() -> Policies? {
    guard root.has("policies") else {
      _ = root.optional("policies")
      return policies(of: nil)
    }
    return section("policies", of: root, example: "{placement: contiguous}").map(policies(of:))
  }

  private func policies(of reader: MappingReader?) -> Policies {
    func slot<Policy>(
      _ key: String, default policy: Policy, _ read: (Value) -> Policy?
    ) -> Policies.Slot<Policy>? {
      guard let value = reader?.optional(key) else {
        return Policies.Slot(value: policy, isDefault: true)
      }
      return read(value).map { Policies.Slot(value: $0, isDefault: false) }
    }
    let policies = Policies(
      batching: slot("batching", default: Batching(), batchingPolicy),
      routing: slot("routing", default: .asRecorded) { plain("routing", $0) },
      placement: slot("placement", default: .contiguous(), placementPolicy),
      execution: slot("execution", default: .resident, executionPolicy),
      communication: slot("communication", default: .flat, communicationPolicy))
    reader?.finish()
    return policies
  }

  /// A policy without options.
  private func plain<Policy: PolicyKind>(_ slot: String, _ value: Value) -> Policy? {
    let reader = PolicyReader<Policy>(slot, value, problems)
    reader?.finish()
    return reader?.kind
  }
}

extension RoutingPolicy: PolicyKind {
  var keys: [String] { [] }
}
