import Hardware
import Models
import Testing
import Units

@Suite("Kernel costs")
struct KernelCostTests {
  let catalogue: HardwareCatalogue

  init() throws { catalogue = try Shipped.catalogue() }

  private func model(_ name: String) throws -> KernelCostModel {
    KernelCostModel(try catalogue.device(named: name))
  }

  private func gemm(_ m: Int, _ n: Int, _ k: Int, _ precision: Precision = .bf16) -> Operator {
    Operator(.queryKeyValue, .gemm(GEMM(m: m, n: n, k: k)), Precisions(precision))
  }

  @Test("a large GEMM on an H100 takes its arithmetic's time, to the picosecond")
  func computeBoundGEMM() throws {
    let cost = try model("h100-sxm").cost(of: gemm(4096, 4096, 4096))
    // 2 x 4096^3 = 137,438,953,472 FLOP at 794.5 TFLOPS (989 x 794.5 / 989)
    //   = 172,987,984.23 ps, up to 172,987,985
    // 3 x 4096^2 x 2 B = 100,663,296 B at 0.8 x 3350 GB/s = 37,560,931.3 ps
    // launch 3,000,000 ps
    #expect(cost.flops == 137_438_953_472)
    #expect(cost.bytes == 100_663_296)
    #expect(SimTime(roundingUp: cost.tensorTime) == SimTime(picoseconds: 172_987_985))
    #expect(SimTime(roundingUp: cost.memoryTime) == SimTime(picoseconds: 37_560_932))
    #expect(cost.duration == SimTime(picoseconds: 175_987_985))
    #expect(cost.bound == .compute)
  }

  @Test("a decode GEMM on an H100 takes its memory's time, to the picosecond")
  func memoryBoundGEMM() throws {
    let cost = try model("h100-sxm").cost(of: gemm(128, 6144, 4096))
    // (128 x 4096 + 4096 x 6144 + 128 x 6144) x 2 B = 52,953,088 B at 2680 GB/s
    //   = 19,758,614.93 ps, up to 19,758,615; launch 3,000,000 ps
    // arithmetic 2 x 128 x 6144 x 4096 / 794.5 TFLOPS = 8,108,811.8 ps
    #expect(cost.bytes == 52_953_088)
    #expect(cost.duration == SimTime(picoseconds: 22_758_615))
    #expect(cost.bound == .memory)
  }

  @Test("a tiny kernel is bound by its launch")
  func latencyBound() throws {
    let cost = try model("h100-sxm").cost(of: gemm(1, 64, 64))
    #expect(cost.bound == .latency)
    #expect(cost.duration > cost.launchLatency)
  }

  /// Achievable TFLOPS and achievable TB/s.
  private static let ridges: [(name: String, rate: Double, bandwidth: Double)] = [
    ("h100-sxm", 794.5, 2.68),  // 3.35 x 0.8: 296.5 FLOP/B
    ("a100-sxm-80gb", 271.2, 1.6312),  // 2.039 x 0.8: 166.3
    ("mi300x", 668.4, 4.24),  // 5.3 x 0.8: 157.6
    ("a40", 149.7 * 99.1 / 154.8, 0.5568),  // an A6000's fractions, 0.696 x 0.8: 172.1
    ("xeon-8480", 21.3, 0.22),  // KTransformers, one socket: 96.8
    ("h20", 118.893832, 3.2),  // an H100's fractions: 148 x 794.5 / 989, 4 x 0.8: 37.2
  ]

  @Test("the ridge points follow from the data sheets", arguments: ridges)
  func ridgePoints(name: String, rate: Double, bandwidth: Double) throws {
    let ridge = try model(name).ridgePoint(for: .bf16)
    #expect(abs(ridge * bandwidth / rate - 1) < 1e-8)
  }

  @Test("no kernel is faster than the data sheet's roofline")
  func neverBelowThePeaks() throws {
    for device in catalogue.devices {
      let model = KernelCostModel(device)
      for (m, n) in [(1, 4096), (128, 14336), (8192, 8192)] {
        let cost = model.cost(of: gemm(m, n, 4096))
        #expect(cost.tensorTime >= cost.peakTensorTime)
        #expect(cost.memoryTime >= cost.bytes / device.memory.bandwidth)
        #expect(cost.time == max(cost.tensorTime, cost.memoryTime))
      }
    }
  }

  @Test("fp8 on an A100 runs at the bf16 rate and says so; its bytes stay fp8's")
  func convertedPrecision() throws {
    let model = try model("a100-sxm-80gb")
    #expect(model.achievableRate(for: .fp8) == model.achievableRate(for: .bf16))
    #expect(
      model.remarks(for: [.bf16, .fp8]).contains(
        "a100-sxm-80gb has no fp8 arithmetic: elements are converted and computed at the bf16 rate"
      ))
    #expect(!model.remarks(for: [.bf16, .fp16]).contains { $0.contains("arithmetic") })
    let (narrow, wide) = (
      model.cost(of: gemm(4096, 4096, 4096, .fp8)), model.cost(of: gemm(4096, 4096, 4096))
    )
    #expect(narrow.tensorTime == wide.tensorTime && narrow.bytes < wide.bytes)
  }

  @Test("a precision whose fraction was not measured takes bf16's and says so")
  func unmeasuredPrecision() throws {
    let model = try model("h100-sxm")
    #expect(model.device.efficiency.tensorFraction(for: .int8) == 794.5 / 989)
    #expect(
      model.remarks(for: [.int8]).last
        == "uncalibrated: int8 on h100-sxm uses the fraction measured in bf16")
  }

  @Test("a precision that nothing can stand in for is refused in a sentence, and never free")
  func missingPrecision() throws {
    var device = try catalogue.device(named: "h100-sxm")
    device.peakRates[.fp32] = nil
    let model = KernelCostModel(device)
    #expect {
      try model.require([.bf16, .fp32])
    } throws: {
      ($0 as? HardwareError)?.sentence
        == "h100-sxm has no compute rate for fp32, nor for a wider precision that could stand in; "
        + "it has bf16, fp8, int8"
    }
    #expect(model.cost(flops: 1, bytes: 1, precision: .fp32).duration == .never)
    #expect(model.cost(flops: 0, bytes: 0, precision: .fp32).duration == model.launchLatency)
  }

  @Test("doubling a device's speed halves every kernel's time")
  func scaling() throws {
    let slow = try catalogue.device(named: "b200-sxm")
    var fast = slow
    fast.memory.bandwidth = slow.memory.bandwidth * 2
    for (precision, rate) in slow.peakRates { fast.peakRates[precision] = rate * 2 }
    for m in [1, 64, 4096] {
      let times = [slow, fast].map { KernelCostModel($0).cost(of: gemm(m, 4096, 4096, .fp8)).time }
      #expect(abs(times[0] / times[1] - 2) < 1e-12)
    }
  }
}

@Suite("Kernel sequences")
struct KernelSequenceTests {
  /// Compute-bound for 4 s, memory-bound for 7 s, and one that is nearly all launch.
  private let kernels = [
    KernelCost(
      launchLatency: SimTime(microseconds: 3), flops: 8, bytes: 2, tensorTime: 4,
      peakTensorTime: 3, memoryTime: 1, energy: 5),
    KernelCost(
      launchLatency: SimTime(microseconds: 3), flops: 2, bytes: 14, tensorTime: 1,
      peakTensorTime: 0.5, memoryTime: 7, energy: 6),
    KernelCost(
      launchLatency: SimTime(microseconds: 3), flops: 0, bytes: 0, tensorTime: 0,
      peakTensorTime: 0, memoryTime: 1e-9, energy: 0),
  ]

  @Test("launches and longer parts add up; shorter parts hide")
  func sums() {
    var sequence = KernelSequence()
    for kernel in kernels { sequence.add(kernel) }
    #expect(sequence.kernels == 3)
    #expect(sequence.launchLatency == SimTime(microseconds: 9))
    #expect(sequence.busy == Seconds(4.0 + 7 + 1e-9))
    #expect(sequence.tensorTime == 5 && sequence.peakTensorTime == 3.5)
    #expect(sequence.flops == 10 && sequence.bytes == 16 && sequence.energy == 11)
    // 9 us + 11 s + 1 ns
    #expect(sequence.duration == SimTime(picoseconds: 11_000_009_001_000))
    #expect(sequence.seconds(boundBy: .compute) == 4)
    #expect(sequence.seconds(boundBy: .memory) == Seconds(7.0 + 1e-9))
    #expect(sequence.bound == .memory)
  }

  @Test("repeating a kernel equals adding it again; joining equals adding all")
  func repetitionAndJoining() {
    var one = KernelSequence()
    one.add(kernels[1])
    one.add(kernels[1])
    var two = KernelSequence()
    two.add(kernels[1], times: 2)
    #expect(one == two)
    var joined = KernelSequence()
    joined.add(one)
    joined.add(two)
    var four = KernelSequence()
    four.add(kernels[1], times: 4)
    #expect(joined == four)
  }

  @Test("many short launches make a sequence latency-bound")
  func latencyDominates() {
    var sequence = KernelSequence()
    sequence.add(kernels[2], times: 1000)
    #expect(sequence.bound == .latency)
    #expect(KernelSequence().duration == .zero)
  }
}
