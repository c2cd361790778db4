import Testing
import Units

@testable import Fabric

private func sentence(
  _ operation: CollectiveKind, _ algorithm: CollectiveAlgorithm? = nil, bytes: Bytes? = 1e6,
  matrix: TrafficMatrix? = nil, nodes: [Int] = [8, 4], chunks: Int? = nil, root: Int? = nil,
  target: Int? = nil, tensorWidth: Int? = nil
) -> String {
  do {
    _ = try MessageSchedule(
      operation: operation, algorithm: algorithm, bytes: bytes, matrix: matrix,
      layout: RankLayout(nodeSizes: nodes),
      options: CollectiveOptions(
        chunks: chunks, root: root, target: target, tensorWidth: tensorWidth))
    return "no error"
  } catch {
    return error.sentence
  }
}

@Test func anUnknownWordIsAnsweredWithTheKnownOnes() {
  do {
    _ = try CollectiveKind(word: "allreduce")
    Issue.record("no error")
  } catch {
    #expect(
      error.sentence
        == "there is no collective 'allreduce'; there are all-to-all, all-reduce, all-gather, "
        + "reduce-scatter, broadcast, send")
  }
  for word in ["leader", "rings"] {
    do {
      _ = try CollectiveAlgorithm(word: word, for: .allReduce)
      Issue.record("no error")
    } catch {
      #expect(
        error.sentence
          == "all-reduce has no algorithm '\(word)'; it has ring, tree, halving-doubling, "
          + "in-switch, hierarchical, hierarchical-in-switch")
    }
  }
  #expect(sentence(.send, .ring) == "send has no algorithm 'ring'; it has direct")
}

@Test func everyWordNamesAnAlgorithmOfSomeOperation() throws {
  for operation in CollectiveKind.allCases {
    #expect(try CollectiveKind(word: operation.rawValue) == operation)
    for algorithm in operation.algorithms {
      #expect(try CollectiveAlgorithm(word: algorithm.rawValue, for: operation) == algorithm)
    }
  }
  let used = Set(CollectiveKind.allCases.flatMap(\.algorithms))
  #expect(used == Set(CollectiveAlgorithm.allCases))
}

@Test func anOptionWithoutEffectIsRefused() {
  #expect(
    sentence(.send, chunks: 2) == "chunks has no effect on send by direct; leave it out")
  #expect(
    sentence(.allReduce, root: 0)
      == "root has no effect on all-reduce by hierarchical; leave it out")
  #expect(
    sentence(.broadcast, target: 1) == "target has no effect on broadcast by tree; leave it out")
  #expect(
    sentence(.allToAll, .flat, tensorWidth: 2)
      == "tensor-width has no effect on all-to-all by flat; leave it out")
}

@Test func anOptionThatCannotBeIsRefused() {
  #expect(sentence(.allReduce, chunks: 0) == "0 chunks cannot be; there is at least 1")
  #expect(sentence(.broadcast, root: 12) == "root 12 is not a rank; there are ranks 0 to 11")
  #expect(sentence(.send, target: -1) == "target -1 is not a rank; there are ranks 0 to 11")
  #expect(
    sentence(.allToAll, .tensorCoordinated)
      == "tensor-coordinated all-to-all needs tensor-width: how many ranks hold the same rows")
  #expect(
    sentence(.allToAll, .tensorCoordinated, tensorWidth: 8)
      == "tensor-width 8 does not divide the 4 ranks of node 1")
  #expect(
    sentence(.allToAll, .tensorCoordinated, tensorWidth: 0)
      == "tensor-width 0 does not divide the 8 ranks of node 0")
  #expect(
    sentence(.allReduce, .inSwitch)
      == "all-reduce by in-switch works inside one node, and there are 2; between nodes there are "
      + "ring, tree, halving-doubling, hierarchical, hierarchical-in-switch")
}

@Test func bytesAreSaidOnceAndCanBe() {
  #expect(sentence(.allReduce, bytes: nil) == "all-reduce needs its bytes")
  #expect(sentence(.allToAll, bytes: nil) == "all-to-all needs its bytes or a traffic matrix")
  #expect(
    sentence(.allReduce, bytes: -1)
      == "-1.0 bytes cannot be sent; the amount is 0 or more and finite")
  #expect(sentence(.allReduce, bytes: Bytes(.nan)).hasPrefix("nan bytes cannot be sent"))
  let matrix = TrafficMatrix(ranks: 4, uniform: 1e6)
  #expect(
    sentence(.allToAll, matrix: matrix)
      == "a traffic matrix says all bytes; leave the other bytes out")
  #expect(
    sentence(.allToAll, bytes: nil, matrix: matrix)
      == "the traffic matrix is of 4 ranks, and there are 12")
  #expect(
    sentence(.allReduce, bytes: nil, matrix: matrix)
      == "a traffic matrix has no effect on all-reduce; it is for all-to-all")
  #expect(sentence(.allReduce, nodes: []) == "a collective needs at least one rank")
  #expect(
    sentence(.allToAll, nodes: [Int](repeating: 8, count: 10_000))
      == "the schedule would have up to 6399920000 steps and take 204.8 GB; "
      + "at most 2147483647 steps can be numbered")
}
