import Fabric
import Serving
import StrictYAML
import Units

/// Options that are read and would change nothing of this run.
extension ScenarioReader {
  /// Whether every option of the policies has an effect; what has none is told.
  func checkEffect(
    of communication: CommunicationPolicy, _ placement: PlacementPolicy, _ deployment: Deployment,
    _ workload: Workload
  ) -> Bool {
    let before = problems.count
    checkOneGroup(placement, deployment)
    checkAlgorithm(deployment)
    if deployment.cluster.deviceCount == 1 {
      checkNothingIsSent()
    } else {
      checkChunks(deployment)
      checkMultiprocessors(communication, deployment, workload)
    }
    checkSpaces(deployment)
    checkCandidates(deployment)
    checkCopies(deployment, workload)
    return problems.count == before
  }

  /// Where all experts are in one group, one placement is like another.
  private func checkOneGroup(_ placement: PlacementPolicy, _ deployment: Deployment) {
    guard deployment.placement.groups == 1 else { return }
    switch placement {
    case .contiguous, .file: return
    case .roundRobin, .chosen:
      problems.add(
        "the placement has no effect: there is one expert group, which holds all experts",
        at: place("policies", "placement"))
    }
  }

  /// Where there is one device, it does not matter how it would send.
  private func checkNothingIsSent() {
    guard case .mapping(let entries)? = document.value["policies"]?["communication"]?.content
    else { return }
    for entry in entries where entry.key != "kind" {
      problems.add(
        "'\(entry.key)' has no effect: there is one device, which sends nothing",
        at: entry.value.location)
    }
  }

  /// Kinds of communication that tell nodes apart, or groups of ranks, where these are all or one.
  private func checkAlgorithm(_ deployment: Deployment) {
    let kind = deployment.exchange.algorithm
    let isOneNode = deployment.cluster.nodeCount == 1
    let isOneEach = deployment.cluster.devicesPerNode == 1
    let reason: String? =
      switch kind {
      case .hierarchical, .biLevel, .twoHop:
        isOneNode ? "there is one node" : isOneEach ? "nodes have one device each" : nil
      case .leader: isOneEach ? "nodes have one device each" : nil
      case .tensorCoordinated:
        deployment.exchange.options.tensorWidth == 1 ? "'tensor-width' is 1" : nil
      default: nil
      }
    guard let reason else { return }
    problems.add(
      "'\(kind.rawValue)' has no effect: \(reason), so it is the flat exchange; write 'flat'",
      at: place("policies", "communication", "kind"))
  }

  private func checkChunks(_ deployment: Deployment) {
    guard deployment.exchange.options.chunks != nil else { return }
    let reason: String
    if deployment.streamsHops {
      reason = "this exchange: its library forwards tokens one by one"
    } else if deployment.exchange.algorithm == .flat && deployment.portsSuffice {
      reason = "this flat exchange: it takes the time of its busiest port, whole or in parts"
    } else {
      return
    }
    problems.add(
      "'chunks' has no effect on \(reason)", at: place("policies", "communication", "chunks"))
  }

  /// They slow down what runs beside an exchange, and of one library's exchanges they handle the
  /// copies.
  private func checkMultiprocessors(
    _ communication: CommunicationPolicy, _ deployment: Deployment, _ workload: Workload
  ) {
    // Numbers that the device cannot give are told before.
    guard deployment.protocols.multiprocessors != nil, communication.overlap == .none,
      workload.batching.microbatches == 1
    else { return }
    let protocols = deployment.protocols
    let isFitted = protocols.dispatch.isFitted || protocols.combine.isFitted
    guard protocols.library != .deepEPNormal || !isFitted else { return }
    problems.add(
      "'multiprocessors' has no effect: no kernel runs beside an exchange without 'overlap' or "
        + "'microbatches', and what '\(communication.library.rawValue)' takes does not depend on "
        + "them", at: place("policies", "communication", "multiprocessors"))
  }

  private func checkSpaces(_ deployment: Deployment) {
    guard case .split(let split) = deployment.execution.experts, let spaces = split.spaces else {
      return
    }
    let placement = deployment.placement
    var most = 0
    for layer in 0..<placement.layers {
      for group in 0..<placement.groups {
        most = max(most, placement.copies(layer: layer, group: group))
      }
    }
    guard spaces >= most else { return }
    problems.add(
      "'spaces' is \(spaces), and a device has at most \(most) experts of a layer, each in a space "
        + "of its own: leave it out", at: place("policies", "execution", "spaces"))
  }

  private func checkCandidates(_ deployment: Deployment) {
    guard case .allocator(let candidates?)? = deployment.blocks?.choice else { return }
    let devices = deployment.cluster.deviceCount
    guard candidates >= devices else { return }
    problems.add(
      "'candidates' is \(candidates), and there are \(devices) devices: leave it out",
      at: place("policies", "execution", "candidates"))
  }

  /// A prediction layer's copies are not known here.
  private func checkCopies(_ deployment: Deployment, _ workload: Workload) {
    guard case .queued(let queue)? = deployment.execution.streamed?.copies,
      let chunk = queue.chunk, workload.speculation == nil,
      document.value["policies"]?["execution"]?["copies"]?["chunk"] != nil
    else { return }
    let largest = deployment.streamBufferBytes * 0.5
    guard chunk >= largest else { return }
    problems.add(
      "'chunk' is \(chunk), and no copy of weights has more than \(largest), so that none is cut: "
        + "write 'chunk: layer'", at: place("policies", "execution", "copies", "chunk"))
  }
}
