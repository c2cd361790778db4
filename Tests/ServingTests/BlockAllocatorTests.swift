import Fabric
import Hardware
import Testing
import Traces
import Units

@testable import Serving

/// A mesh of 2 x 2, expert e on die e, a token 1 us, weights 10 us out of memory and 20 us on a link,
/// where the command and the bytes have a hop of 0.2 us each: a die that holds the expert takes 10 us + 1
/// us a token, a neighbour 30.4 us + 1 us a token.
@Suite("The allocator")
struct BlockAllocatorTests {
  private func deal(
    _ tokens: [UInt32], candidates: Int? = nil, duplicate: (expert: Int, device: Int)? = nil
  ) throws -> [[Int]] {
    let cluster = try wafer(2, 2)
    let network = try Network(NetworkPlan(cluster))
    let distances = DeviceDistances(network, try RouteTable(RouteFinder(network)))
    let costs = BlockCosts(
      expertBytes: Bytes(34e6), perToken: Seconds(1e-6), fromMemory: Seconds(10e-6))
    var allocator = BlockAllocator(costs, candidates: candidates, devices: 4)
    var dealing = BlockDealing(layers: 1, experts: 4, tokensPerBlock: 10)
    dealing.cut(tokens)
    allocator.deal(
      layer: 0, tokens: tokens[...], hosts: [[0], [1], [2], [3]], distances,
      hasDuplicate: { duplicate?.expert == $0 && duplicate?.device == $1 }, into: &dealing)
    return (0..<4).map { expert in
      (0..<dealing.blocks(layer: 0, expert: expert)).map {
        dealing[layer: 0, expert: expert, block: $0]
      }
    }
  }

  @Test("lets the holder work until a neighbour would be done first")
  func byHand() throws {
    // Expert 0 first: 20 us on die 0. Expert 3 on die 3: 20, 30, 40 us; a fourth block would end at 50
    // there and at 40.4 on die 1; a fifth at 40.4 on die 2; a sixth at 50 on die 3, at 50.4 on both.
    #expect(try deal([10, 0, 0, 60]) == [[0], [], [], [3, 3, 3, 1, 2, 3]])
  }

  @Test("asks only as many as it may, the least loaded ones")
  func limited() throws {
    #expect(try deal([10, 0, 0, 60], candidates: 1)[3] == [3, 3, 3, 3, 3, 3])
    // Dies 3 and 1. After 3, 3, 3, 1 (40 and 40.4 us): 50 on die 3, then 50.4 on die 1.
    #expect(try deal([10, 0, 0, 60], candidates: 2)[3] == [3, 3, 3, 1, 3, 1])
    // Of dies that nobody loaded, the holder.
    #expect(try deal([0, 10, 0, 0], candidates: 1) == [[], [1], [], []])
  }

  @Test("takes a duplicate for the expert itself")
  func duplicate() throws {
    // Die 0 ends at 20 us with expert 0; a block of expert 3 ends there at 40, as on die 3, which is
    // nearer; the next at 40 on die 0, then at 40.4 on dies 1 and 2.
    #expect(
      try deal([10, 0, 0, 60], duplicate: (expert: 3, device: 0))[3] == [3, 3, 3, 0, 1, 2])
  }

  @Test("counts a shorter last block by its tokens")
  func rest() throws {
    // 10 + 10, 10 us more, then 5 us more.
    #expect(try deal([0, 0, 25, 0])[2] == [2, 2, 2])
  }
}
