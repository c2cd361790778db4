import Foundation
import Hardware
import Statistics
import Testing
import Units

@testable import Calibration

@Suite("A fit to made-up measurements")
struct CollectiveFitTests {
  /// NCCL's columns for a known cost, each time off by up to two percent either way.
  private static func table(_ cost: CollectiveCost, outliers: Bool = false) throws -> String {
    var stream = RandomStream(seed: 5, name: "noise")
    var lines = ["op_name,nccl_dtype,num_gpus,message_size,latency"]
    for ranks in [2, 4, 8, 16] {
      for exponent in 8..<30 {
        let load = CollectiveLoad(
          .allToAll, buffer: Bytes(exp2(Double(exponent))), ranks: ranks)
        var time = cost.time(of: load, on: .init(scaleUp: 450e9)).value
        time *= 0.98 + 0.04 * stream.uniform()
        if outliers && exponent % 6 == 0 { time *= 3 }
        lines.append("alltoall,int8,\(ranks),\(1 << exponent),\(time * 1e3)")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static let known: CollectiveCost = {
    var cost = CollectiveCost(launch: 12e-6)
    cost.perRank = 0.5e-6
    cost.protocolBandwidth = 5e9
    cost.protocolCeiling = 8e-6
    cost.ramp = 6e-6
    cost.copyBandwidth = 1000e9
    cost.share = 0.75
    return cost
  }()

  private func calibration(_ text: String, seed: UInt64 = 0) throws -> CollectiveCalibration {
    let measurements = try CollectiveMeasurements(
      [MeasurementTable(text: text, file: "made-up.csv")], library: nil)
    return try CollectiveCalibration(
      measurements, scaleUp: Links.nvlink4, holdOutSeed: seed, date: "2026-11-21")
  }

  @Test("finds the numbers that made them", arguments: [false, true])
  func knownCostIsFound(outliers: Bool) throws {
    let entry = try #require(
      try calibration(try Self.table(Self.known, outliers: outliers)).entries.first)
    let cost = entry.cost
    #expect(cost.name == "nccl-nvlink4-all-to-all")
    #expect(abs(cost.launch / Self.known.launch - 1) < 0.03)
    #expect(abs(cost.perRank / Self.known.perRank - 1) < 0.1)
    #expect(abs(cost.protocolCeiling / Self.known.protocolCeiling - 1) < 0.1)
    #expect(abs(cost.share / Self.known.share - 1) < 0.05)
    #expect(cost.fit.median < 0.02)
    #expect(cost.fit.rows == 88)
    // A sixth of the rows is three times too slow; they are met badly and not dropped.
    #expect(outliers == (cost.fit.worst > 0.6))
  }

  @Test("leaves out the terms that cost nothing")
  func needlessTermsArePruned() throws {
    var plain = CollectiveCost(launch: 12e-6)
    plain.share = 0.75
    let cost = try #require(try calibration(try Self.table(plain)).entries.first?.cost)
    #expect(cost.perRank.value < 0.05e-6)
    #expect(cost.ramp.value < 0.3e-6)
    #expect(abs(cost.share / 0.75 - 1) < 0.02)
  }

  @Test("is the same each time, and holds out other questions for another seed")
  func determinism() throws {
    let text = try Self.table(Self.known)
    let first = try #require(try calibration(text).entries.first)
    let again = try #require(try calibration(text).entries.first)
    let other = try #require(try calibration(text, seed: 1).entries.first)
    #expect(first.cost == again.cost)
    #expect(first.heldOutErrors.map(\.place) == again.heldOutErrors.map(\.place))
    #expect(first.heldOutErrors.map(\.place) != other.heldOutErrors.map(\.place))
    // The entry itself is fitted to everything, whatever was held out.
    #expect(first.cost.launch == other.cost.launch)
    // A fifth of 88, five standard deviations of sqrt(88 x 0.16) = 3.8 allowed.
    #expect(abs(Double(first.heldOutErrors.count) - 17.6) < 19)
    #expect(!first.heldOutErrors.isEmpty)
  }

  @Test("holds out repeated measurements of a question together")
  func repetitionsAreHeldOutTogether() throws {
    let text = try Self.table(Self.known)
    let rows = text.split(separator: "\n").dropFirst().joined(separator: "\n")
    let entry = try #require(try calibration(text + rows + "\n").entries.first)
    let loads = entry.heldOutErrors.map(\.load)
    #expect(loads.count == 2 * Set(loads).count)
  }

  @Test("goes over flat rows to the same times as the cost")
  func flatRowsAgreeWithTheCost() throws {
    let exchange = ExpertExchange(
      tokens: 64, hidden: 4096, topK: 6, experts: 128, ranks: 32, nodes: 4, multiprocessors: 12)
    var cost = Self.known
    cost.perDoubling = 3e-6
    cost.perExpert = 0.2e-6
    cost.networkShares = [.init(nodes: 4, share: 0.6)]
    cost.copyingBandwidth = 9e9
    cost.stagingBandwidth = 4e9
    var values = CollectiveForm.Values(networkShares: [0.6])
    values.launch = 12e-6
    values.perRank = 0.5e-6
    values.perDoubling = 3e-6
    values.perExpert = 0.2e-6
    values.protocolCost = 1 / 5e9
    values.protocolCeiling = 8e-6
    values.copyCost = 1 / 1000e9
    values.ramp = 6e-6
    values.share = 0.75
    values.copyingCost = 1 / 9e9
    values.stagingCost = 1 / 4e9
    let ports = CollectiveCost.Ports(scaleUp: 450e9, scaleOut: 50e9)
    for operation in [CollectiveOperation.dispatch, .combine] {
      let load = exchange.load(operation, .deepEPNormal)
      let row = CollectiveForm.Row(
        CollectiveMeasurement(
          library: .deepEPNormal, operation: operation, load: load, time: 1e-3, file: "", line: 1),
        ports, nodeCounts: [4])
      let difference = values.time(of: row) / cost.time(of: load, on: ports).value - 1
      #expect(abs(difference) < 1e-12)
    }
  }
}

enum Links {
  static let nvlink4 = Link(
    name: "nvlink4", fullName: "", kind: .scaleUp, bandwidth: 450e9, latency: .zero)
  static let network = Link(
    name: "infiniband-ndr", fullName: "", kind: .scaleOut, bandwidth: 50e9, latency: .zero)
}
