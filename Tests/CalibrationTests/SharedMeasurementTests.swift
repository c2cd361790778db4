import Foundation
import Hardware
import Testing
import Units

@testable import Calibration

/// The four calibrations that the shipped catalogue consists of, each done once for all tests.
enum Shipped {
  static let catalogue = Result { try HardwareCatalogue.load() }

  static let calibrations: [String: Result<CollectiveCalibration, any Error>] = [
    "nvlink3": calibration(SharedMeasurements.ncclA100, "nvlink3", nil),
    "nvlink4": calibration(SharedMeasurements.ncclH100, "nvlink4", nil),
    "low-latency": calibration(SharedMeasurements.lowLatency, "nvlink4", "infiniband-ndr"),
    "normal": calibration(SharedMeasurements.normal, "nvlink4", "infiniband-ndr"),
  ]

  private static func calibration(
    _ files: [String], _ up: String, _ out: String?
  ) -> Result<CollectiveCalibration, any Error> {
    Result {
      let catalogue = try catalogue.get()
      return try CollectiveCalibration(
        try CollectiveMeasurements(reading: files), scaleUp: try catalogue.link(named: up),
        scaleOut: try out.map { try catalogue.link(named: $0) },
        source: "ai-dynamo/aiconfigurator 095f58a, Apache-2.0", date: "2026-11-21")
    }
  }

  static func calibration(_ name: String) throws -> CollectiveCalibration {
    try #require(calibrations[name]).get()
  }
}

@Suite(
  "The shared measurements",
  .enabled(if: SharedMeasurements.isPresent, Comment(rawValue: SharedMeasurements.absence)))
struct SharedMeasurementTests {
  @Test(
    "fitted again give the shipped catalogue",
    arguments: ["nvlink3", "nvlink4", "low-latency", "normal"])
  func refit(name: String) throws {
    let shipped = try Shipped.catalogue.get().collectives
    for entry in try Shipped.calibration(name).entries {
      let cost = entry.cost
      let stored = try #require(shipped.first { $0.name == cost.name })
      // Text to text says which terms there are; the numbers have seven digits.
      #expect(stored.writtenTerms.map(\.key) == cost.writtenTerms.map(\.key), "\(cost.name)")
      for (old, new) in zip(stored.numbers, cost.numbers) {
        #expect(abs(new - old) <= 1e-6 * abs(old), "\(cost.name): \(new) for \(old)")
      }
      #expect(stored.fit.rows == cost.fit.rows && stored.fit.heldOut == cost.fit.heldOut)
      #expect(abs(stored.fit.median - cost.fit.median) < 1e-4)
      #expect(stored.citation == cost.citation)
      #expect(stored.range.ranks == cost.range.ranks && stored.range.nodes == cost.range.nodes)
    }
  }

  @Test("of NCCL are met with a median error of five percent, seen or not")
  func goalOfNCCL() throws {
    for name in ["nvlink3", "nvlink4"] {
      let report = CollectiveReport(try Shipped.calibration(name))
      let all = try #require(report.classes.first { $0.name == "all" })
      #expect(all.fitted.median < 0.05 && all.heldOut.median < 0.05)
      #expect(all.fitted.count == (name == "nvlink3" ? 504 : 1008))
      for operation in ["all-to-all", "all-reduce", "all-gather", "reduce-scatter"] {
        let one = try #require(report.classes.first { $0.name == operation })
        #expect(one.fitted.median < 0.05, "\(name) \(operation)")
      }
    }
  }

  @Test("of DeepEP are met with a median error of ten percent on any number of nodes")
  func goalOfDeepEP() throws {
    for name in ["low-latency", "normal"] {
      let report = CollectiveReport(try Shipped.calibration(name))
      for one in report.classes where one.name == "all" || one.name.hasSuffix("ranks") {
        #expect(one.fitted.median < 0.06 && one.heldOut.median < 0.06, "\(name) \(one.name)")
      }
    }
  }

  @Test("are written as the file that ships")
  func shippedFile() throws {
    let catalogue = try Shipped.catalogue.get()
    // Those of one published number each are no fit, and have a file of their own.
    let fitted = catalogue.collectives.filter { $0.library != .cannFused }
    let written = CollectiveEntries(fitted).yaml
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "../../Sources/Hardware/Catalogue/collectives.yaml"
    ).standardizedFileURL.path
    #expect(try String(contentsOfFile: path, encoding: .utf8) == written)
  }
}

extension CollectiveCost {
  /// Every number of the form.
  fileprivate var numbers: [Double] {
    [
      launch.value, perRank.value, perDoubling.value, perExpert.value,
      protocolBandwidth?.value ?? 0, protocolCeiling.value, copyBandwidth?.value ?? 0, ramp.value,
      share, copyingBandwidth?.value ?? 0, stagingBandwidth?.value ?? 0,
    ] + networkShares.map(\.share)
  }
}

@Suite(
  "Kernels of H20 by H100's numbers",
  .enabled(
    if: SharedMeasurements.isPresent, Comment(rawValue: SharedMeasurements.absence)))
struct LentMeasurementTests {
  private static let folder = SharedMeasurements.folder.replacingOccurrences(
    of: "aiconfigurator-tables", with: "infersim-bench/")

  @Test("are met with a median error of ten percent, multiplications and attention")
  func h20() throws {
    let catalogue = try Shipped.catalogue.get()
    let device = try catalogue.device(named: "h20")
    let prompts = try FileManager.default.contentsOfDirectory(
      atPath: Self.folder + "mha/prefill/h20"
    ).sorted().map { Self.folder + "mha/prefill/h20/" + $0 }
    let tables = try KernelTables(
      reading: [Self.folder + "gemm/h20/data.csv"] + prompts, on: device)
    let report = try KernelReport(
      tables, device: device, by: try catalogue.device(named: "h100-sxm"), in: catalogue)
    #expect(report.families.map(\.name) == ["gemm", "attention-prompt"])
    for family in report.families { #expect(family.errors.median < 0.10, "\(family)") }
  }
}
