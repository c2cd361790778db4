import Hardware
import Models
import Testing
import Units

@Suite("The shipped catalogue")
struct CatalogueTests {
  let catalogue: HardwareCatalogue

  init() throws { catalogue = try Shipped.catalogue() }

  @Test("has the devices, links and nodes that scenarios name")
  func namesAreThere() throws {
    for name in [
      "v100-sxm-32gb", "t4", "rtx-3090", "rtx-4090", "rtx-a5000", "rtx-a6000", "a10", "a40", "l4",
      "l40", "l40s", "a100-sxm-40gb", "a100-sxm-80gb", "a100-pcie-80gb", "h100-sxm", "h100-pcie",
      "h800-sxm", "h20", "h200-sxm", "b200-sxm", "b300-sxm", "gb200", "mi250x", "mi300x", "mi325x",
      "xeon-8380", "xeon-4310", "xeon-8462y", "xeon-8562y", "xeon-8480", "epyc-7763", "epyc-9654",
      "grace",
    ] {
      #expect(try catalogue.device(named: name).name == name)
    }
    for name in ["dgx-a100", "dgx-a100-40gb", "dgx-h100", "hgx-h200", "dgx-b200", "8x-a40"] {
      #expect(try catalogue.node(named: name).deviceCount == 8)
    }
    #expect(try catalogue.link(named: "nvlink4").kind == .scaleUp)
  }

  @Test("gives every number a source with a citation")
  func everyNumberHasASource() {
    let entries =
      catalogue.devices.map { ($0.name, $0.facts, $0.kind == .storage ? 5 : 8) }
      + catalogue.links.map { ($0.name, $0.facts, 2) }
      + catalogue.nodes.map { ($0.name, $0.facts, 4) }
    for (name, facts, least) in entries {
      #expect(facts.count >= least, "\(name)")
      for fact in facts {
        #expect(!fact.source.isEmpty && !fact.citation.isEmpty, "\(name) \(fact.key)")
      }
    }
  }

  @Test("marks numbers from memory, and only them, in an entry's remarks")
  func unverifiedNumbersAreMarked() throws {
    // devices.csv gives "from memory, unverified" as the source of the whole EPYC row; the A100's
    // row has a source, which lists neither fp32 nor idle power.
    let processor = try catalogue.device(named: "epyc-7763")
    #expect(processor.facts.allSatisfy { $0.isUnverified })
    let device = try catalogue.device(named: "a100-sxm-80gb")
    let unverified = device.facts.filter(\.isUnverified).map(\.key)
    #expect(unverified == ["compute.fp32", "power.idle", "memory.energy"])
    #expect(
      device.remarks == ["unverified: a100-sxm-80gb: compute.fp32, power.idle, memory.energy"])
  }

  @Test("says whose fractions a device without measurements uses")
  func lentFractionsAreRemarked() throws {
    let volta = try catalogue.device(named: "v100-sxm-32gb")
    #expect(volta.remarks.first == "uncalibrated: fractions of a100-sxm-80gb")
    // 271.2 of 312 TFLOPS, applied to whatever Volta has.
    #expect(abs(volta.efficiency.tensorFraction(for: .fp16) - 271.2 / 312) < 1e-15)
    #expect(volta.efficiency.launchLatency == SimTime(microseconds: 3))
    let hopper = try catalogue.device(named: "h800-sxm")
    #expect(hopper.remarks.first == "uncalibrated: fractions of h100-sxm (its own: fp8)")
    #expect(abs(hopper.efficiency.tensorFraction(for: .fp8) - 1550.0 / 1979) < 1e-15)
    #expect(abs(hopper.efficiency.tensorFraction(for: .bf16) - 794.5 / 989) < 1e-15)
  }

  @Test("keeps every fraction within its peak and every node's parts consistent")
  func rangesHold() {
    for device in catalogue.devices {
      #expect((0...1).contains(device.efficiency.memoryFraction))
      for fraction in device.efficiency.tensorFractions.values {
        #expect(fraction > 0 && fraction <= 1)
      }
      #expect(device.idlePower < device.thermalDesignPower)
      // A wafer of static memory is its own cache.
      #expect(device.memory.cache ?? 0 <= device.memory.capacity)
    }
    for node in catalogue.nodes {
      #expect(node.host.processor.kind == .cpu)
      // Sockets compute where nothing but the host joins them.
      #expect(node.device.kind != .cpu || node.scaleUp.kind == .host)
      #expect(node.scaleUp.port.effectiveBandwidth <= node.scaleUp.port.bandwidth)
      if node.scaleUp.kind == .host { #expect(node.scaleUp.port == node.hostLink) }
      // A mesh device reaches its peers over one link each.
      if let pair = node.scaleUp.pairBandwidth {
        #expect(node.scaleUp.port.bandwidth == pair * Double(node.deviceCount - 1))
      }
    }
  }

  @Test("describes a DGX H100 as its data sheet does")
  func dgxH100() throws {
    let node = try catalogue.node(named: "dgx-h100")
    #expect(node.device.name == "h100-sxm")
    #expect(node.scaleUp.kind == .switched)
    #expect(node.scaleUp.port.bandwidth == 450e9)
    // 8 x H200, pairwise copies: 396.4 of 450 GB/s.
    #expect(abs(node.scaleUp.port.effectiveBandwidth.value - 396.4e9) < 1)
    #expect(node.scaleUp.collectiveLatency == SimTime(picoseconds: 8_400_000))
    #expect(node.network?.cardCount == 8)
    #expect(node.network?.port.bandwidth == 50e9)
    #expect(node.hostLink.link.name == "pcie5-x16")
    #expect(node.host.memoryBandwidth == 614.4e9)
  }

  @Test("suggests the name that was probably meant")
  func suggestions() {
    #expect {
      try catalogue.device(named: "h100-smx")
    } throws: {
      ($0 as? HardwareError)?.sentence
        == "there is no device 'h100-smx' in the catalogue; did you mean 'h100-sxm'?"
    }
    #expect {
      try catalogue.device(named: "a6000")
    } throws: {
      ($0 as? HardwareError)?.sentence.hasSuffix("did you mean 'rtx-a6000'?") == true
    }
    #expect {
      try catalogue.node(named: "zzz")
    } throws: {
      ($0 as? HardwareError)?.sentence
        == "there is no node 'zzz' in the catalogue; 'switchyard catalogue nodes' lists them"
    }
  }
}
