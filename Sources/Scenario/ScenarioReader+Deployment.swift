import Fabric
import Foundation
import Hardware
import Models
import Placement
import Serving
import StrictYAML
import Units

/// Puts the sections together.
extension ScenarioReader {
  func deployment(
    _ model: ModelArchitecture?, _ cluster: Cluster?, _ fabric: FabricPlan?,
    _ precisions: Precisions?, _ parallelism: Parallelism?, _ policies: Policies?,
    _ catalogue: HardwareCatalogue?
  ) -> (deployment: Deployment, remarksOfPlacement: [String])? {
    guard let model, let parallelism, let policy = policies?.placement?.value else { return nil }
    let resolved = placement(policy, model, parallelism, nodes: cluster?.nodeCount)
    guard let cluster, let precisions, let resolved, let fabric,
      let communication = policies?.communication?.value,
      let execution = policies?.execution?.value
    else { return nil }
    guard hasEffect(fabric.topology, nodes: cluster.nodeCount) else { return nil }
    let hasShared = model.sharedExpertParameters() > 0
    if communication.overlap == .sharedExperts, !hasShared {
      problems.add(
        "'overlap: shared-experts' has no effect: the model has no shared experts",
        at: place("policies", "communication", "overlap"))
      return nil
    }
    let protocols = catalogue.flatMap {
      exchangeProtocols(communication, cluster, model, parallelism, $0)
    }
    do throws(ServingError) {
      let deployment = try Deployment(
        model: model, cluster: cluster, precisions: precisions, parallelism: parallelism,
        placement: resolved.placement, replicaChoice: resolved.replicaChoice,
        exchange: .init(
          dispatch: communication.dispatch ?? precisions.activations,
          combine: communication.combine ?? .bf16, overlap: communication.overlap,
          residence: communication.residence, algorithm: communication.algorithm,
          options: communication.options),
        protocols: protocols, fabric: fabric, execution: execution)
      return (deployment, resolved.remarks)
    } catch {
      problems.add(error.sentence, at: place(of: error))
      return nil
    }
  }

  /// Nil where no library's are asked for, or what is asked for cannot be.
  private func exchangeProtocols(
    _ communication: CommunicationPolicy, _ cluster: Cluster, _ model: ModelArchitecture,
    _ parallelism: Parallelism, _ catalogue: HardwareCatalogue
  ) -> ExchangeProtocols? {
    if let asked = communication.multiprocessors {
      let place = place("policies", "communication", "multiprocessors")
      guard let all = cluster.device.computeUnits else {
        problems.add(
          "'\(cluster.device.name)' has no known number of multiprocessors to give \(asked) of",
          at: place)
        return nil
      }
      guard asked < all else {
        problems.add(
          "'multiprocessors' is \(asked); '\(cluster.device.name)' has \(all)", at: place)
        return nil
      }
    }
    let library: CollectiveLibrary? =
      switch communication.library {
      case .nccl: .nccl
      case .deepEPNormal: .deepEPNormal
      case .deepEPLowLatency: .deepEPLowLatency
      case .cannFused: .cannFused
      case .none: nil
      }
    return ExchangeProtocols(
      library, multiprocessors: communication.multiprocessors, cluster, model,
      attentionWidth: parallelism.attention.tensor, residence: communication.residence,
      in: catalogue)
  }

  /// Which key a deployment's fault belongs to. Most were told by their own section before.
  func place(of error: ServingError) -> Location {
    switch error {
    case .parallelism(let part, _, _, _), .tooManySlices(let part, _, _, _):
      place("parallelism", part)
    case .noExperts: place("model")
    case .placementMismatch: place("policies", "placement")
    case .sharedGroups: place("policies", "placement", "shared-ranks")
    case .batching: place("policies", "batching")
    case .option(let option, _): place(of: option)
    case .fabric(.unknownPart), .fabric(.companionLink): place("fabric", "changes")
    case .fabric(.withoutEffect(let key, _)): place("fabric", key)
    case .fabric: place("fabric", "topology")
    case .execution: place("policies", "execution")
    case .collective, .communication: place("policies", "communication")
    default: place("cluster")
    }
  }

  private func place(of option: ServingError.Option) -> Location {
    switch option {
    case .microbatches: place("policies", "batching", "microbatches")
    case .streams: place("policies", "batching", "streams")
    case .speculation: place("workload", "speculation")
    case .companionAttention: place("policies", "execution", "attention")
    case .memorySpaces: place("policies", "execution", "spaces")
    case .hotExperts: place("policies", "execution", "hot")
    case .cacheRoom: place("policies", "execution", "kv-cache")
    case .copies: place("policies", "execution", "copies")
    case .budget: place("policies", "batching", "budget")
    case .blocks: place("policies", "execution", "kind")
    case .replicaChoice: place("policies", "placement", "replica-choice")
    case .tokenResidence: place("policies", "communication", "model")
    case .duplicates: place("policies", "execution", "duplicates")
    case .expertSlices: place("parallelism", "experts", "tensor")
    case .exchangeAlgorithm: place("policies", "communication", "kind")
    case .library: place("policies", "communication", "library")
    }
  }

  /// Whether the fullest device holds it all. What is too much is told at the batch, or at the
  /// cluster where the weights alone are too much.
  func checkMemory(_ deployment: Deployment, _ workload: Workload) -> Bool {
    let budget = MemoryBudget(deployment, workload)
    guard !budget.fits else { return true }
    let each = MemoryBudget.perSequence(deployment, workload)
    let weights = budget.total - each * Double(workload.batch)
    let sentence = ServingError.doesNotFit(budget).sentence
    let most = each.value > 0 ? ((budget.capacity - weights) / each).rounded(.down) : 0
    if most >= 1 {
      let sequences = most == 1 ? "sequence" : "sequences"
      problems.add(
        "\(sentence); there is room for \(Int(most)) \(sequences)", at: place("workload", "batch"))
    } else {
      let key = document.value["cluster"]?["device-memory"] == nil ? "nodes" : "device-memory"
      let advice =
        deployment.execution.streamed == nil
        ? "use more devices or a narrower precision" : "use more microbatches or a smaller budget"
      problems.add("\(sentence); \(advice)", at: place("cluster", key))
    }
    return false
  }
}
