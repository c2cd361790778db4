import Hardware
import Models
import Testing
import Units

@Suite("Kernels that one device lends another")
struct KernelLendingTests {
  let catalogue: HardwareCatalogue

  init() throws { catalogue = try Shipped.catalogue() }

  private func values(_ owner: String, _ device: String, _ type: String) throws -> (
    own: KernelCalibration, lent: KernelCalibration
  ) {
    let owner = try catalogue.device(named: owner)
    let found = try #require(catalogue.kernelCalibration(.gemm, type: type, on: owner))
    let device = try catalogue.device(named: device)
    return (found.calibration, found.calibration.lent(by: owner, to: device))
  }

  /// What was multiplied of each number that is not the same.
  private func ratios(_ own: KernelCalibration, _ lent: KernelCalibration) -> [String: Double] {
    var ratios: [String: Double] = [:]
    for (index, term) in own.family.terms.enumerated() where own.values[index] != lent.values[index]
    {
      ratios[term.key] = lent.values[index] / own.values[index]
    }
    return ratios
  }

  @Test(
    "of like units with less arithmetic keep each unit's operands, and lose less to the power limit"
  )
  func limitedUnits() throws {
    let (own, lent) = try values("h100-sxm", "h20", "fp8")
    let ratios = ratios(own, lent)
    #expect(ratios.count == 3)
    // 1979 TFLOPS of 132 units in 700 W, 296 of 78 in 500 W.
    #expect(abs((ratios["feed"] ?? 0) / ((1979.0 / 132) / (296.0 / 78)) - 1) < 1e-12)
    #expect(abs((ratios["slowdown"] ?? 0) / ((296.0 / 500) / (1979.0 / 700)) - 1) < 1e-12)
    // What the owner's units did not reach of their peak was their paths: these reach all of theirs.
    let share = try #require(own.family.terms.firstIndex { $0.key == "tensor-fraction" })
    #expect(own.values[share] < 1 && lent.values[share] == 1)
    // A catalogue hands them out like that.
    let device = try catalogue.device(named: "h20")
    #expect(device.kernels.contains { $0.name == lent.name && $0.values == lent.values })
  }

  @Test("of like units with a little less arithmetic reach as much more of it")
  func littleLess() throws {
    let owner = try catalogue.device(named: "h100-sxm")
    let found = try #require(
      catalogue.kernelCalibration(.attentionDecode, type: "fp8", on: owner)
    ).calibration
    var device = try catalogue.device(named: "h20")
    device.peakRates[.fp8] = ComputeRate(1979e12 * 78 / 132 / 2)
    let lent = found.lent(by: owner, to: device)
    let share = try #require(found.family.terms.firstIndex { $0.key == "arithmetic" })
    #expect(abs(lent.values[share] / found.values[share] - 2) < 1e-12)
  }

  @Test("of other units keep what is for each operation")
  func otherUnits() throws {
    let (own, lent) = try values("h100-sxm", "a100-sxm-80gb", "bfloat16")
    let ratios = ratios(own, lent)
    #expect(ratios.count == 1)
    #expect(abs((ratios["slowdown"] ?? 0) / ((312.0 / 400) / (989.0 / 700)) - 1) < 1e-12)
  }

  @Test("stay what they are on the device itself, and where units are not known")
  func same() throws {
    let (own, itself) = try values("h100-sxm", "h100-sxm", "bfloat16")
    #expect(own == itself)
    let (_, unknown) = try values("h100-sxm", "xeon-8380", "bfloat16")
    #expect(own == unknown)
  }
}
