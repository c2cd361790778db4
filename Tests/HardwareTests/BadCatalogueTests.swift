import Foundation
import Hardware
import StrictYAML
import Testing

@Suite("A user's catalogue file")
struct BadCatalogueTests {
  /// A good device; `{...}` parts are replaced by what a test puts wrong.
  private static let device = """
    sources: {sheet: somebody's data sheet}
    devices:
      my-gpu:
        full-name: My GPU
        kind: gpu
        source: sheet
        compute: {bf16: 100 TFLOPS}
        memory: {kind: hbm3, capacity: 16 GB, bandwidth: 1 TB/s}
        host-link: {link: pcie4-x16, bandwidth: 31.5 GB/s}
        power: {thermal-design: 300 W, idle: 30 W}
        efficiency: {like: h100-sxm}
    """

  private func load(_ texts: String...) throws -> HardwareCatalogue {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("catalogue-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var paths: [String] = []
    for (index, text) in texts.enumerated() {
      let path = folder.appendingPathComponent("user\(index).yaml").path
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      paths.append(path)
    }
    return try HardwareCatalogue.load(extraFiles: paths)
  }

  /// `line:column: sentence` of everything that is wrong.
  private func problems(_ texts: String...) throws -> [String] {
    do {
      _ = try texts.count == 1 ? load(texts[0]) : load(texts[0], texts[1])
      return []
    } catch let problems as Problems {
      return problems.list.map { "\($0.location.line):\($0.location.column): \($0.sentence)" }
    }
  }

  private func problems(replacing part: String, by other: String) throws -> [String] {
    try #require(Self.device.contains(part))
    return try problems(Self.device.replacingOccurrences(of: part, with: other))
  }

  @Test("adds devices beside the shipped ones")
  func goodFile() throws {
    let device = try load(Self.device).device(named: "my-gpu")
    #expect(device.peakRates[.bf16] == 100e12)
    #expect(device.efficiency.tensorFraction(for: .bf16) == 794.5 / 989)
    #expect(device.remarks == ["uncalibrated: fractions of h100-sxm"])
    #expect(device.facts.first?.citation == "somebody's data sheet")
  }

  @Test("cannot take a name that stands already")
  func duplicateName() throws {
    let found = try problems(replacing: "my-gpu", by: "h100-sxm")
    #expect(found.count == 1)
    #expect(found[0].hasPrefix("3:3: the device 'h100-sxm' stands twice, first at "))
    let twice = try problems(Self.device, Self.device)
    #expect(twice.count == 1 && twice[0].hasPrefix("3:3: the device 'my-gpu' stands twice"))
  }

  @Test("may take the name of kernels, which are then the user's own")
  func ownKernels() throws {
    let name = "h100-sxm-streaming-add"
    func kernels(_ latency: String, untold: String = "memory, cache-share") -> String {
      """
      sources: {mine: a test}
      kernels:
        \(name):
          source: mine
          device: h100-sxm
          family: streaming
          kernel: add
          terms: {launch: \(latency), row: 1e10 B/s, memory: 0.6, cache-speed: 1.0, cache-share: 0.6}
          fit: {date: '2026-11-21', rows: 1, median: 0, ninetieth: 0, worst: 0, held-out: 0,
            held-out-median: 0, held-out-ninetieth: 0, not-told: "\(untold)"}
      """
    }
    let catalogue = try load(kernels("5e-06 s"))
    let found = catalogue.kernels.filter { $0.name == name }
    #expect(found.count == 1 && found[0].values[0] == 5e-6)
    #expect(found[0].fit.untold == ["memory", "cache-share"])
    #expect(
      try problems(kernels("5e-06 s", untold: "memory, cash")) == [
        "10:60: 'cash' is no term of such kernels; known here: launch, row, memory, cache-speed, cache-share"
      ])
    let device = try catalogue.device(named: "h100-sxm")
    #expect(
      catalogue.kernelCalibration(.streaming, kernel: "add", on: device)?.calibration == found[0])
  }

  @Test("is refused where a value is negative or zero")
  func ranges() throws {
    #expect(
      try problems(replacing: "bandwidth: 1 TB/s", by: "bandwidth: -1 TB/s")
        == ["8:54: 'bandwidth' is '-1 TB/s'; it must be more than zero"])
    #expect(
      try problems(replacing: "16 GB", by: "0 GB")
        == ["8:36: 'capacity' is '0 GB'; it must be more than zero"])
    #expect(
      try problems(replacing: "1 TB/s", by: "1 TB")
        == [
          "8:54: 'bandwidth': 'TB' is not a unit of a bandwidth; write it like '3.35 TB/s'"
        ])
  }

  @Test("is refused where a number has no source or an unknown one")
  func sources() throws {
    #expect(
      try problems(replacing: "16 GB", by: "[16 GB, shet]")
        == ["8:44: 'shet' is not one of this file's sources; did you mean 'sheet'?"])
    let bare = try problems(replacing: "    source: sheet\n", by: "")
    #expect(bare.count == 6)
    #expect(
      bare[0]
        == "6:21: 'bf16' has no source; write 'bf16: [100 TFLOPS, source-id]' or put "
        + "'source: source-id' beside it")
    #expect(
      try problems(replacing: "16 GB", by: "[16 GB]")
        == ["8:36: 'capacity' is a number or '[number, source-id]'"])
  }

  @Test("is refused where it refers to what is not there")
  func references() throws {
    #expect(
      try problems(replacing: "pcie4-x16", by: "pcie4-x61")
        == [
          "9:23: there is no link 'pcie4-x61' in the catalogue; did you mean 'pcie4-x16'?"
        ])
    #expect(
      try problems(replacing: "hbm3", by: "hbm9").first
        == "8:20: there is no memory kind 'hbm9'; did you mean 'hbm2'?")
    #expect(
      try problems(replacing: "    efficiency:", by: "    units-like: h100-smx\n    efficiency:")
        == [
          "11:17: there is no device 'h100-smx' in the catalogue; did you mean 'h100-sxm'?"
        ])
    #expect(
      try problems(replacing: "like: h100-sxm", by: "like: my-gpu")
        == ["11:24: 'like' leads in a circle through 'my-gpu'"])
    #expect(
      try problems(replacing: "like: h100-sxm", by: "like: h100-smx")
        == [
          "11:24: there is no device 'h100-smx' in the catalogue; did you mean 'h100-sxm'?"
        ])
  }

  @Test("is refused where the powers or the measurements contradict the data sheet")
  func contradictions() throws {
    let power = try problems(replacing: "idle: 30 W", by: "idle: 290 W")
    #expect(
      power == [
        "10:5: the idle power (290 W) and the memory at its peak (28.7 W) leave nothing of the "
          + "thermal design power (300 W) for arithmetic"
      ])
    let rate = try problems(
      replacing: "{like: h100-sxm}", by: "{like: h100-sxm, measured: {bf16: 101 TFLOPS}}")
    #expect(
      rate == [
        "11:45: the measured bf16 rate is 101 TFLOP/s and the peak under 'compute' is "
          + "100 TFLOP/s; a measured rate is a part of a peak"
      ])
    let latency = try problems(
      replacing: "{like: h100-sxm}", by: "{like: h100-sxm, launch-latency: 3 s}")
    #expect(latency == ["11:34: 'launch-latency' is 3 s; it must be less than a second"])
  }

  @Test("is refused where a key is missing, unknown or in capitals")
  func keys() throws {
    let unknown = try problems(replacing: "    kind: gpu", by: "    knd: gpu")
    #expect(unknown.contains("4:5: 'kind' is missing; write it like 'kind: gpu'"))
    #expect(unknown.contains("5:5: unknown key 'knd'; did you mean 'kind'?"))
    #expect(
      try problems(replacing: "my-gpu", by: "My_GPU")
        == [
          "3:3: 'My_GPU' is not a catalogue name; use lowercase letters, digits and hyphens"
        ])
    #expect(
      try problems(replacing: "{like: h100-sxm}", by: "{memory-fraction: 0.8}").first?.hasPrefix(
        "11:17: 'efficiency' needs 'measured' or 'fractions'") == true)
  }

  @Test("tells of a wrong node without blaming it for a wrong device")
  func nodes() throws {
    let node = """

      nodes:
        box:
          full-name: A box
          source: sheet
          devices: {device: my-gpu, count: 0}
          scale-up: {kind: switched}
          collective-latency: 10 us
          host: {processor: h100-sxm, sockets: 1, memory: 64 GB}
      """
    let found = try problems(Self.device + node)
    #expect(
      found == [
        "16:38: 'count' is 0; it must be from 1 to 4096",
        "17:15: the device has no 'scale-up' of its own; add 'link' and 'bandwidth'",
        "19:23: 'h100-sxm' is a gpu; a host's processor is a cpu",
      ])
    let broken = Self.device.replacingOccurrences(of: "16 GB", with: "0 GB") + node
    #expect(try problems(broken).filter { $0.contains("my-gpu") }.isEmpty)
  }

  @Test("that is not there is an error with its path")
  func missingFile() {
    #expect {
      try HardwareCatalogue.load(extraFiles: ["/nowhere/devices.yaml"])
    } throws: {
      ($0 as? Problems)?.description == "/nowhere/devices.yaml:1:1: no such file"
    }
  }
}
