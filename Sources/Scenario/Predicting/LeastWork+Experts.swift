import Models
import Roofline
import Serving
import Units

/// Routed experts, wherever they run, and what goes to them.
extension LeastWork {
  /// What passes through a layer's experts ask.
  ///
  /// - Parameter layer: Nil for the prediction layer, which is like the last one with experts.
  func add(_ routed: Routed, layer: Int?, to work: inout IterationWork) {
    func move(_ each: Bytes, _ stage: Stage) {
      var links = Work(each * routed.copiesWithinNode, of: .scaleUp)
      links.add(Work(each * routed.copiesBetweenNodes, of: .network))
      addLinks(links, stage, layer: layer, to: &work)
    }
    move(deployment.dispatchedCopy, .dispatch)
    addExperts(routed, layer: layer, to: &work)
    let tokens = routed.passes.reduce(0) { $0 + $1.tokens }
    add(expertVectors(tokens: tokens), layer: layer, to: &work)
    move(deployment.combinedCopy, .combine)
  }

  private func addExperts(_ routed: Routed, layer: Int?, to work: inout IterationWork) {
    let model = deployment.model
    let passes = routed.passes.filter { $0.tokens > 0 }
    guard !passes.isEmpty else { return }
    let slices = deployment.parallelism.experts.tensor
    let each = Double(slices)
    let processor: Processor =
      switch deployment.execution.experts {
      case .resident, .blocks, .fetch, .streamed: .device
      case .companion: .companion
      case .fastest, .split: .shared
      }
    // One row of one expert, which is as linear in both as all of them are.
    model.routedExperts(
      tokens: 1, activeExperts: 1, deployment.precisions, tensorSlices: slices
    ) { kernel in
      var launches = Launches()
      for pass in passes {
        let rows = pass.tokens * Double(model.experts.topK)
        launches.add(
          Launches(
            machine.work(
              of: kernel, on: processor, times: rows * each, weights: pass.activeCopies * each),
            on: machine))
      }
      work.add(launches, stage: Stage.experts.name, name: kernel.role.words, layer: layer)
    }
    let copies = passes.reduce(0) { $0 + $1.activeCopies }
    addTransfers(copies * each, layer: layer, to: &work)
  }

  /// Weights that come out of companions' own memories, whoever computes with them.
  private func addTransfers(_ copies: Double, layer: Int?, to work: inout IterationWork) {
    guard deployment.expertsLiveBeside, deployment.execution.experts != .companion else { return }
    let slices = deployment.parallelism.experts.tensor
    let bytes =
      deployment.model.expertBytes(deployment.precisions, tensorSlices: slices) * copies
    var moved = Work(bytes, of: .companionMemory)
    if deployment.execution.experts == .fetch {
      moved.add(Work(bytes, of: .companionLink))
      moved.add(Work(bytes, of: .memory))
    }
    work.add(moved, stage: Stage.expertTransfer.name, name: "experts' weights", layer: layer)
  }
}
