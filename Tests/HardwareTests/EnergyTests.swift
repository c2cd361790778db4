import Hardware
import Models
import Testing
import Units

@Suite("Energy")
struct EnergyTests {
  let catalogue: HardwareCatalogue

  init() throws { catalogue = try Shipped.catalogue() }

  @Test("a device with arithmetic and memory both at their peak draws its thermal design power")
  func fullLoad() throws {
    for device in catalogue.devices {
      let model = KernelCostModel(device)
      for precision in Precision.allCases where device.peakRates[precision] != nil {
        // One second of work at both peaks.
        let second: Seconds = 1
        let cost = model.cost(
          flops: model.peakRate(for: precision) * second, bytes: device.memory.bandwidth * second,
          precision: precision)
        let drawn = cost.energy + device.idlePower * second
        // The DIMMs of a CPU come on top of its design power.
        let memory = device.memory.isWithinDesignPower ? Power.zero : device.peakMemoryPower
        let expected: Joules = (device.thermalDesignPower + memory) * second
        #expect(abs(drawn / expected - 1) < 1e-12, "\(device.name) \(precision)")
      }
    }
  }

  @Test("an H100's energies follow from its data sheet")
  func h100() throws {
    let device = try catalogue.device(named: "h100-sxm")
    // 3350 GB/s x 28.7 pJ/B = 96.1 W; 700 - 105 (15 %) - 96.145 = 498.855 W over 989 TFLOPS
    #expect(abs(device.peakMemoryPower.value - 96.145) < 1e-9)
    #expect(abs(device.peakComputePower.value - 498.855) < 1e-9)
    let energy = try device.energyPerFLOP(for: .bf16)
    #expect(abs(energy.value - 498.855 / 989e12) < 1e-24)
    // fp8 does 1979/989 as many operations with the same power.
    let ratio = energy.value / (try device.energyPerFLOP(for: .fp8)).value
    #expect(abs(ratio - 1979.0 / 989) < 1e-12)
  }

  @Test("what is not moved or computed costs nothing")
  func nothing() throws {
    let model = KernelCostModel(try catalogue.device(named: "h100-sxm"))
    #expect(model.cost(flops: 0, bytes: 0, precision: .bf16).energy == 0)
  }
}
