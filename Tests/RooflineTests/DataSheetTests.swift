import Hardware
import Models
import Roofline
import Testing
import Units

@Suite("Rooflines of data sheets")
struct DataSheetTests {
  private func machine(_ name: String) throws -> Machine {
    let catalogue = try HardwareCatalogue.load()
    var node = try catalogue.node(named: "dgx-h100")
    node.device = try catalogue.device(named: name)
    return Machine(try Cluster(node, count: 1, devicesPerNode: 1))
  }

  /// Peak 16-bit rate over memory bandwidth, as the data sheets print them.
  @Test(
    "have their ridge where peak over bandwidth is",
    arguments: [
      ("h100-sxm", 295.22),  // 989 TFLOP/s, 3350 GB/s
      ("a100-sxm-80gb", 153.02),  // 312, 2039
      ("a40", 215.09),  // 149.7, 696
      ("mi300x", 246.60),  // 1307, 5300
      ("t4", 203.13),  // 65, 320
    ])
  func ridge(device: String, flopsPerByte: Double) throws {
    let found = try machine(device).ridgePoint(for: .bf16)
    #expect(abs(found - flopsPerByte) < 0.005)
  }

  /// 64 rows by a matrix of 4096 x 4096 in 16 bits: 2 x 64 x 4096^2 = 2.147 GFLOP, and 2 (4096^2 +
  /// 2 x 64 x 4096) = 34.603 MB. 62 FLOP/B are below every ridge.
  @Test(
    "bind a thin multiplication by memory",
    arguments: [
      ("h100-sxm", 10.329), ("a100-sxm-80gb", 16.971), ("a40", 49.717), ("mi300x", 6.529),
      ("t4", 108.134),
    ])
  func thin(device: String, microseconds: Double) throws {
    let machine = try machine(device)
    let kernel = Operator(
      .outputProjection, .gemm(GEMM(m: 64, n: 4096, k: 4096)), Precisions(.bf16))
    let times = machine.times(of: machine.work(of: kernel))
    #expect(times.binding == .memory)
    #expect(abs(times.bound.value * 1e6 - microseconds) < 0.001)
  }

  /// 4096 rows: 2 x 4096^3 = 137.44 GFLOP, and 3 x 2 x 4096^2 = 100.66 MB: 1365 FLOP/B.
  @Test(
    "bind a square multiplication by arithmetic",
    arguments: [
      ("h100-sxm", 138.968), ("a100-sxm-80gb", 440.509), ("a40", 918.096), ("mi300x", 105.156),
      ("t4", 2114.445),
    ])
  func square(device: String, microseconds: Double) throws {
    let machine = try machine(device)
    let kernel = Operator(
      .outputProjection, .gemm(GEMM(m: 4096, n: 4096, k: 4096)), Precisions(.bf16))
    let times = machine.times(of: machine.work(of: kernel))
    #expect(times.binding == .arithmetic)
    #expect(abs(times.bound.value * 1e6 - microseconds) < 0.001)
  }

  @Test("divide work over devices and add up precisions by the time that each takes")
  func division() throws {
    let machine = Machine(
      try Cluster(HardwareCatalogue.load().node(named: "dgx-h100"), count: 1))
    // fp8 runs at twice the rate: 1979 to 989 TFLOP/s.
    let wide = Operator(.head, .gemm(GEMM(m: 4096, n: 4096, k: 4096)), Precisions(.bf16))
    let narrow = Operator(.head, .gemm(GEMM(m: 4096, n: 4096, k: 4096)), Precisions(.fp8))
    var work = machine.work(of: wide)
    work.add(machine.work(of: narrow))
    let seconds = 2 * 4096.0 * 4096 * 4096 * (1 / 989e12 + 1 / 1979e12) / 8
    #expect(abs(machine.times(of: work)[.arithmetic].value / seconds - 1) < 1e-12)
    #expect(work.flops.value == 4 * 4096.0 * 4096 * 4096)
  }

  @Test("take work that either processor may do as both together would do it at best")
  func companions() throws {
    // Of 1 GB that either may read, the device's 3350 GB/s and the companion's share it.
    let node = try HardwareCatalogue.load().node(named: "duplex")
    let machine = Machine(try Cluster(node, count: 1, devicesPerNode: 1))
    let beside = try #require(node.companion).processor.memory.bandwidth.value
    let both = node.device.memory.bandwidth.value + beside
    let times = machine.times(of: Work(Bytes(1e9), of: .sharedMemory))
    #expect(times.binding == .sharedMemory)
    #expect(abs(times.bound.value - 1e9 / both) < 1e-15)
    // What only the device may read is read by it alone, and counts for both.
    var more = Work(Bytes(1e9), of: .sharedMemory)
    more.add(Work(Bytes(1e9), of: .memory))
    #expect(
      abs(machine.times(of: more)[.sharedMemory].value - 2e9 / both) < 1e-15)
    #expect(
      abs(machine.times(of: more)[.memory].value - 1e9 / node.device.memory.bandwidth.value)
        < 1e-15)
  }
}
