import Hardware
import Models
import Testing

@Suite("The shipped numbers of kernels")
struct KernelCatalogueTests {
  private func catalogue() throws -> HardwareCatalogue { try HardwareCatalogue.load() }

  /// One launch of each family, large enough that no cache holds it.
  private let work: [KernelWork] = [
    .gemm(GEMMWork(m: 4096, n: 8192, k: 8192)),
    .experts(
      FusedExpertsWork(
        tokens: 4096, chosen: 2, hidden: 4096, intermediate: 14_336,
        load: GroupedLoad(counts: [Int](repeating: 1024, count: 8)))),
    .attentionDecode(
      AttentionDecodeLaw.Work(
        .flashAttention3, sequences: 128, context: 8192, queryHeads: 32, keyHeads: 8, width: 128)),
    .attentionPrompt(
      AttentionPromptLaw.Work(
        .flashAttention3, sequences: 4, tokens: 8192, queryHeads: 32, keyHeads: 8, width: 128)),
    .latentDecode(
      LatentDecodeLaw.Work(.flashAttention, sequences: 128, context: 8192, heads: 16)),
    .latentPrompt(LatentPromptLaw.Work(.flashAttention, sequences: 4, tokens: 8192, heads: 16)),
    .streaming(StreamingLaw.Work(rows: 65_536, rowBytes: 16_384)),
  ]

  /// The least bytes and operations of each of them.
  private func least(_ work: KernelWork) -> (flops: Double, bytes: Double) {
    switch work {
    case .gemm(let work):
      (work.flops, 2 * Double(work.m * work.k + work.k * work.n + work.m * work.n))
    case .groupedGEMM(let work): (work.flops, 0)
    case .experts(let work): (work.flops, 8 * 3 * 4096 * 14_336 * 2)
    case .attentionDecode: (0, 2 * 128 * 8192 * 8 * 128 * 2)
    case .attentionPrompt: (4 * 4 * 8192 * 8192 / 2 * 32 * 128, 0)
    case .latentDecode: (0, 128 * 8192 * 576 * 2)
    case .latentPrompt: (2 * 4 * 8192 * 8192 / 2 * 16 * 320, 0)
    case .streaming(let work): (0, Double(work.rows) * work.rowBytes)
    }
  }

  @Test("are there for H100 and A100, for every family, with what they were fitted to")
  func present() throws {
    let catalogue = try catalogue()
    for device in ["h100-sxm", "a100-sxm-80gb"] {
      let own = catalogue.kernels.filter { $0.device == device }
      #expect(Set(own.map(\.family)) == Set(work.map(\.family)), "\(device)")
      for entry in own {
        #expect(entry.values.count == entry.family.terms.count)
        #expect(!entry.citation.isEmpty && entry.fit.rows > 100 && entry.fit.heldOut > 10)
        #expect(entry.fit.heldOutMedian < 0.1, "\(entry.name)")
      }
    }
  }

  @Test("go to the relatives of what was measured, and 16-bit types stand in for each other")
  func nearestRelatives() throws {
    let catalogue = try catalogue()
    func owner(_ family: KernelFamily, _ type: String, _ device: String) throws -> String? {
      let found = catalogue.kernelCalibration(
        family, type: type, on: try catalogue.device(named: device))
      return (found?.calibration).map { "\($0.device) \($0.numberType)" }
    }
    for device in ["a100-sxm-40gb", "a100-pcie-80gb"] {
      for family in KernelFamily.allCases where family != .groupedGEMM && family != .streaming {
        #expect(try owner(family, "bfloat16", device) == "a100-sxm-80gb bfloat16")
      }
    }
    for family in [KernelFamily.gemm, .experts] {
      #expect(try owner(family, "float16", "h100-sxm") == "h100-sxm bfloat16")
    }
  }

  @Test("say which sizes they were fitted to, and how well at each")
  func measuredSizes() throws {
    for entry in try catalogue().kernels {
      #expect(entry.measured.count == entry.family.sizeNames.count, "\(entry.name)")
      let decades = entry.fit.decades
      #expect(decades.map(\.rows).reduce(0, +) == entry.fit.rows, "\(entry.name)")
      #expect(decades.map(\.exponent) == decades.map(\.exponent).sorted())
      #expect(decades.map(\.worst).max() == entry.fit.worst, "\(entry.name)")
    }
  }

  @Test("never make a kernel faster than the data sheet allows")
  func dataSheet() throws {
    let catalogue = try catalogue()
    for entry in catalogue.kernels {
      let device = try catalogue.device(named: entry.device)
      let machine = try #require(
        KernelMachine(device, entry.numberType.hasPrefix("fp8") ? .fp8 : .bf16))
      for one in work where one.family == entry.family {
        let least = least(one)
        let parts = one.parts(by: entry.values, on: machine)
        #expect(parts.total >= least.flops / machine.peak, "\(entry.name)")
        #expect(parts.total >= least.bytes / machine.bandwidth, "\(entry.name)")
        #expect(parts.total < 20 * max(least.flops / machine.peak, least.bytes / machine.bandwidth))
      }
    }
  }

  @Test("are found for relatives, which say so")
  func relatives() throws {
    let catalogue = try catalogue()
    let h100 = try #require(
      catalogue.kernelCalibration(.gemm, type: "bfloat16", on: catalogue.device(named: "h100-sxm")))
    #expect(h100.remarks.isEmpty && h100.calibration.numberType == "bfloat16")
    let h20 = try #require(
      catalogue.kernelCalibration(.gemm, type: "bfloat16", on: catalogue.device(named: "h20")))
    #expect(h20.calibration.name == h100.calibration.name)
    #expect(h20.calibration.fit == h100.calibration.fit)
    #expect(h20.remarks == ["uncalibrated: kernels of h100-sxm"])
    let other = try #require(
      catalogue.kernelCalibration(
        .gemm, kernel: "mine bfloat16", on: catalogue.device(named: "h100-sxm")))
    #expect(
      other.remarks == [
        "uncalibrated: mine bfloat16 takes the numbers of \(h100.calibration.kernel)"
      ])
  }
}

/// What is read for one device is what the whole catalogue gives it, but for the errors by decade.
@Test func aDeviceReadAloneTakesTheKernelsThatItTakesAmongAll() throws {
  let whole = try Shipped.catalogue()
  var isSmaller = false
  for device in whole.devices {
    let alone = try HardwareCatalogue.load(naming: [device.name], kernels: true)
    let expected = device.kernels.map { kernel in
      var kernel = kernel
      kernel.fit.decades = []
      return kernel
    }
    #expect(try alone.device(named: device.name).kernels == expected, "\(device.name)")
    isSmaller = isSmaller || alone.kernels.count < whole.kernels.count
  }
  #expect(isSmaller)
}
