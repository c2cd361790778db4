import Foundation
import Hardware
import Models
import Testing
import Units

/// The tables of facts that the catalogue was written from, where a checkout has them:
/// `$SWITCHYARD_SHARED/facts`, or `../shared/facts` beside the package.
private enum Facts {
  static let folder: URL = {
    if let path = ProcessInfo.processInfo.environment["SWITCHYARD_SHARED"] {
      return URL(fileURLWithPath: path).appendingPathComponent("facts")
    }
    var package = URL(fileURLWithPath: #filePath)
    for _ in 0..<3 { package.deleteLastPathComponent() }
    return package.deletingLastPathComponent().appendingPathComponent("shared/facts")
  }()

  static func isThere(_ file: String) -> Bool {
    FileManager.default.fileExists(atPath: folder.appendingPathComponent(file).path)
  }

  /// Rows by their first column; values by column name.
  static func rows(_ file: String) throws -> [String: [String: String]] {
    let url = folder.appendingPathComponent(file)
    // isNewline: the tables end their lines in CR LF, which is one Character.
    let lines = try String(contentsOf: url, encoding: .utf8).split { $0.isNewline }.map(fields)
    let header = try #require(lines.first)
    var rows: [String: [String: String]] = [:]
    for line in lines.dropFirst() where line.count == header.count {
      rows[line[0]] = Dictionary(uniqueKeysWithValues: zip(header, line))
    }
    return rows
  }

  /// The fields of a line; quoted ones may hold commas.
  private static func fields(_ line: Substring) -> [String] {
    var fields = [""]
    var isQuoted = false
    for character in line {
      switch character {
      case "\"": isQuoted.toggle()
      case "," where !isQuoted: fields.append("")
      default: fields[fields.count - 1].append(character)
      }
    }
    return fields
  }
}

@Suite("The catalogue agrees with the tables of facts")
struct FactsAgreementTests {
  private static let devices = [
    "v100-sxm-32gb": "V100-SXM2-32GB", "t4": "T4", "rtx-3090": "RTX 3090", "rtx-4090": "RTX 4090",
    "rtx-a5000": "RTX A5000", "rtx-a6000": "RTX A6000", "a10": "A10", "a40": "A40", "l4": "L4",
    "l40": "L40", "l40s": "L40S", "a100-sxm-40gb": "A100-SXM4-40GB",
    "a100-sxm-80gb": "A100-SXM4-80GB", "a100-pcie-80gb": "A100-PCIe-80GB", "h100-sxm": "H100-SXM5",
    "h100-pcie": "H100-PCIe", "h800-sxm": "H800-SXM", "h20": "H20", "h200-sxm": "H200-SXM",
    "b200-sxm": "B200-SXM", "b300-sxm": "B300-SXM", "gb200": "GB200 (per GPU, NVL72)",
    "mi250x": "MI250X", "mi300x": "MI300X", "mi325x": "MI325X",
    "xeon-8380": "Xeon Platinum 8380 (socket)", "xeon-4310": "Xeon Silver 4310",
    "xeon-8462y": "Xeon Platinum 8462Y+ (socket)", "xeon-8562y": "Xeon Platinum 8562Y+ (socket)",
    "xeon-8480": "Xeon Platinum 8480+ (socket)", "epyc-7763": "EPYC 7763",
    "epyc-9654": "EPYC 9654", "grace": "Grace",
    "ascend-910c-die": "Ascend 910C die", "kunpeng-920": "Kunpeng 920 (CM384)",
    "dojo-die": "Wafer die: Dojo 5x5", "sow-die": "Wafer die: TSMC-SoW 3x8",
    "dojo-enhanced-die": "Wafer die: Dojo-Enhanced 5x5", "wse-2": "Cerebras WSE-2",
    "wse-3": "Cerebras WSE-3", "duplex-xpu": "Duplex xPU",
    "duplex-logic-pim": "Duplex Logic-PIM (device total)",
    "duplex-bank-group-pim": "Duplex BankGroup-PIM (device total)",
    "duplex-bank-pim": "Duplex Bank-PIM (device total)", "monde-ndp": "MoNDE NDP device",
  ]

  private func expect(
    _ value: Double?, _ scale: Double, equals column: String, of row: [String: String],
    _ name: String
  ) throws {
    let written = try #require(row[column], "\(name) \(column)")
    guard !written.isEmpty else { return }
    let expected = try #require(Double(written), "\(name) \(column)") * scale
    let found = try #require(value, "\(name) \(column)")
    #expect(abs(found / expected - 1) < 1e-9, "\(name) \(column): \(found), not \(expected)")
  }

  @Test("devices.csv, number for number", .enabled(if: Facts.isThere("devices.csv")))
  func devicesAgree() throws {
    let rows = try Facts.rows("devices.csv")
    let catalogue = try Shipped.catalogue()
    // The table has no drives.
    let devices = catalogue.devices.filter { $0.kind != .storage }
    #expect(Set(devices.map(\.name)) == Set(Self.devices.keys))
    for device in devices {
      let row = try #require(Self.devices[device.name].flatMap { rows[$0] }, "\(device.name)")
      func check(_ value: Double?, _ scale: Double, _ column: String) throws {
        try expect(value, scale, equals: column, of: row, device.name)
      }
      // The table has one 16-bit column, and fp32 in it where there is no 16-bit arithmetic.
      try check(device.peakRate(for: .bf16).value, 1e12, "bf16_tflops_dense")
      try check(device.peakRates[.fp8]?.value, 1e12, "fp8_tflops_dense")
      try check(device.peakRates[.int8]?.value, 1e12, "int8_tops_dense")
      try check(device.peakRates[.fp4]?.value, 1e12, "fp4_tflops_dense")
      try check(device.memory.capacity.value, 1e9, "mem_GB")
      try check(device.memory.bandwidth.value, 1e9, "mem_BW_GBps")
      try check(device.memory.cache?.value, 1e6, "cache_MB")
      try check(device.scaleUp?.bandwidth.value, 1e9, "scaleup_GBps_per_dir")
      try check(device.network?.bandwidth.value, 1e9, "nic_GBps_per_dir")
      try check(device.thermalDesignPower.value, 1, "TDP_W")
      try check(device.hostLink?.bandwidth.value, 1e9, "host_GBps_per_dir")
      let model = KernelCostModel(device)
      // The table's rate of an A40 is implied by a figure that is to be reproduced; here its share of the
      // peak is an A6000's.
      if device.name != "a40" {
        try check(model.achievableRate(for: .bf16).value, 1e12, "measured_matmul_TFLOPS_bf16")
      }
      try check(model.achievableRate(for: .fp8).value, 1e12, "measured_matmul_TFLOPS_fp8")
    }
  }

  private static let links = [
    "nvlink2": "NVLink2 (V100, 6 links)", "nvlink3": "NVLink3 (A100, 12 links)",
    "nvlink4": "NVLink4 (H100/H200, 18 links)", "nvlink4-h800": "NVLink4 H800 (8 links)",
    "nvlink5": "NVLink5 (B200, 18 links)", "nvlink6": "NVLink6 (Rubin)",
    "nvlink-c2c": "NVLink-C2C (GH200/GB200)", "nvlink-bridge": "NVLink bridge A6000/3090/A5000",
    "xgmi-mi300x": "xGMI MI300X per peer", "pcie3-x16": "PCIe 3.0 x16",
    "pcie4-x16": "PCIe 4.0 x16", "pcie5-x16": "PCIe 5.0 x16", "pcie6-x16": "PCIe 6.0 x16",
    "cxl2-pcie5-x8": "CXL 2.0 on PCIe5 x8", "cxl3-pcie6-x16": "CXL 3.x on PCIe6 x16",
    "infiniband-edr": "InfiniBand EDR 100G", "infiniband-hdr": "InfiniBand HDR 200G",
    "infiniband-ndr": "InfiniBand NDR 400G (CX-7)", "infiniband-xdr": "InfiniBand XDR 800G (CX-8)",
    "roce-400g": "RoCE 400G", "roce-200g": "RoCE 200G",
    "gb200-inter-rack": "GB200 NVL72 inter-rack", "socket-link": "UPI / xGMI socket",
    "cxl-pcie4-x16": "CXL/PCIe4 x16 (MoNDE host-GPU)",
    "nvme-pcie4-x4": "NVMe PCIe4 x4", "nvme-pcie5-x4": "NVMe PCIe5 x4",
    "wafer-d2d": "Wafer D2D (Dojo/TSMC-SoW)", "wafer-d2d-enhanced": "Wafer D2D (Dojo-Enhanced)",
  ]

  @Test("links.csv, number for number", .enabled(if: Facts.isThere("links.csv")))
  func linksAgree() throws {
    let rows = try Facts.rows("links.csv")
    let catalogue = try Shipped.catalogue()
    for (name, title) in Self.links {
      let link = try catalogue.link(named: name)
      let row = try #require(rows[title], "\(name)")
      try expect(link.bandwidth.value, 1e9, equals: "nominal_GBps_per_dir", of: row, name)
      let measured = link.measuredBandwidth?.value
      try expect(measured, 1e9, equals: "effective_GBps_per_dir", of: row, name)
      // Some latencies are ranges; the catalogue takes the low end and notes the rest.
      if let latency = row["latency_us"], Double(latency) != nil {
        try expect(Seconds(link.latency).value, 1e-6, equals: "latency_us", of: row, name)
      }
    }
  }
}
