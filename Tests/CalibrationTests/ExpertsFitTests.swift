import Foundation
import Hardware
import Statistics
import Testing

@testable import Calibration

@Suite("Expert layers in tables")
struct ExpertsFitTests {
  private static let header =
    "version,device,kernel_source,moe_dtype,num_tokens,hidden_size,inter_size,topk,num_experts,"
    + "moe_tp_size,moe_ep_size,distribution,latency\n"

  private func rows(
    _ text: String
  ) throws(CalibrationError) -> [KernelMeasurement<FusedExpertsWork>] {
    try MeasurementTable(text: Self.header + text, file: "made-up.csv").expertsMeasurements(
      on: MeasuredMachines.h100)
  }

  @Test("are read with their routing turned into rows of each expert")
  func reading() throws {
    let rows = try rows(
      """
      0.19.0,H100,vllm_fused_moe,bfloat16,256,7168,2048,8,256,1,64,balanced,0.2
      0.19.0,H100,vllm_fused_moe,fp8,32,4096,14336,2,8,8,1,balanced,0.09
      0.19.0,H100,vllm_marlin_int4_moe,int4_wo,1,4096,14336,2,8,1,1,power_law_1.01,0.4
      0.14.0,A100,vllm_fused_moe,bfloat16,4,7168,2048,8,256,1,64,power_law_1.01,0.2
      0.5.10,H100,deepepmoe,fp8_block,16,7168,2048,8,256,1,4,uniform,0.5

      """)
    // 256 tokens x 8 choices over 256 experts: 8 rows each; 4 experts are here, 252 elsewhere.
    #expect(rows[0].work.load == GroupedLoad(counts: [8, 8, 8, 8]))
    #expect(rows[0].work.foreign == GroupedLoad(counts: [Int](repeating: 8, count: 252)))
    #expect(rows[0].work.tiling == .best && rows[0].work.intermediate == 2048)
    #expect(rows[1].work.intermediate == 14_336 / 8 && rows[1].work.activationBytes == 1)
    #expect(rows[1].work.load == GroupedLoad(counts: [Int](repeating: 8, count: 8)))
    #expect(rows[2].work.tiling == .vector && rows[2].work.load.rows == 2)
    // 16 tokens hit 128 of 256 experts once each; the 64 that are here get 32 rows and see no others.
    #expect(rows[4].work.tokens == 32 && rows[4].work.chosen == 1)
    #expect(rows[4].work.load.active == 32 && rows[4].work.foreign == GroupedLoad())
    #expect(rows[3].work.tiling == .narrow && rows[3].family == "vllm_fused_moe bfloat16")
  }

  @Test("spread balanced tokens over as many experts as they can")
  func balanced() {
    for (tokens, active) in [(1, 8.0), (4, 32), (32, 256), (1000, 256)] {
      let shape = ExpertsRouting.Shape(tokens: tokens, experts: 256, chosen: 8, devices: 1)
      let load = ExpertsRouting.balanced.loads(shape).load
      #expect(load.rows == Double(tokens * 8) && load.active == active)
    }
  }

  @Test(
    "draw power laws that keep all rows, skew them, and give the first device most",
    arguments: [ExpertsRouting.Correction.rankByRank, .fewestFirst])
  func powerLaw(correction: ExpertsRouting.Correction) {
    let routing = ExpertsRouting.powerLaw(exponent: 1.01, correction: correction)
    for tokens in [1, 4, 32, 64, 512, 4096] {
      for devices in [1, 8, 64] {
        let shape = ExpertsRouting.Shape(
          tokens: tokens, experts: 256, chosen: 8, devices: devices)
        let (load, foreign) = routing.loads(shape)
        #expect(abs(load.rows + foreign.rows - Double(tokens * 8)) < 1e-6)
        #expect(load.rows >= Double(tokens * 8) / Double(devices) - 1e-6)
        // No expert gets a token twice.
        #expect(load.rows <= Double(tokens) * load.active + 1e-6)
        #expect(routing.loads(shape).load == load)
      }
    }
    // Even rows fill 256 tiles of 128; skewed ones leave a part of each expert's last tile.
    let shape = ExpertsRouting.Shape(tokens: 4096, experts: 256, chosen: 8, devices: 1)
    let skewed = routing.loads(shape).load
    #expect(ExpertsRouting.balanced.loads(shape).load.blocks128 == 256)
    #expect(skewed.blocks128 > 256 * 1.2 && skewed.blocks128 < 256 + skewed.active)
  }

  @Test("of few tokens meet on one device only where the older benchmark put them there")
  func corrections() {
    // 8 rows of 256 experts on 64 devices: one by one they hit as many devices; from the fewest on
    // they are neighbours, four on one device.
    let shape = ExpertsRouting.Shape(tokens: 1, experts: 256, chosen: 8, devices: 64)
    let newer = ExpertsRouting.powerLaw(exponent: 1.01, correction: .rankByRank).loads(shape)
    let older = ExpertsRouting.powerLaw(exponent: 1.01, correction: .fewestFirst).loads(shape)
    #expect(newer.load.active < 2)
    #expect(older.load.active > 3)
  }

  @Test(
    "that cannot be right are refused with the line",
    arguments: [
      (
        "1.0,H100,x,bf15,4,64,64,2,8,1,1,balanced,0.1\n",
        "made-up.csv:2: 'moe_dtype' is 'bf15'; it must be one of bfloat16, float16, fp8, "
          + "fp8_block, int4_wo"
      ),
      (
        "1.0,H100,x,fp8,4,64,64,2,8,1,3,balanced,0.1\n",
        "made-up.csv:2: 'moe_ep_size' is '3'; it must be a divisor of the 8 experts"
      ),
      (
        "1.0,H100,x,fp8,4,64,64,2,8,1,1,zipf,0.1\n",
        "made-up.csv:2: 'distribution' is 'zipf'; it must be 'balanced', 'uniform' or 'power_law_' "
          + "with an exponent from 0 to 4"
      ),
      (
        "1.0,H100,x,fp8,4,64,64,9,8,1,1,balanced,0.1\n",
        "made-up.csv:2: 'topk' is '9'; it must be a whole number from 1 to 8"
      ),
    ])
  func refusal(row: String, sentence: String) {
    var message = ""
    do { _ = try rows(row) } catch { message = error.sentence }
    #expect(message == sentence)
  }

  struct Goal: Sendable {
    var folder: String
    var family: String
    var isA100 = false
    var median: Double
    var ninetieth: Double
  }

  @Test(
    "that other devices' tokens were sent to are met as well",
    .enabled(if: SharedMeasurements.isPresent, Comment(rawValue: SharedMeasurements.absence)))
  func wide() throws {
    let rows = try MeasurementTable(
      reading: "\(SharedMeasurements.folder)/h100_sxm/moe_wide_ep_decode.csv.xz"
    ).expertsMeasurements(on: MeasuredMachines.h100)
    var settings = KernelFit<FusedExpertsLaw>.Settings(telling: rows)
    settings.searches = 1
    settings.mostIterations = 15
    let fit = try KernelFit<FusedExpertsLaw>(rows, settings)
    #expect(ErrorSummary.median(fit.heldOutErrors) < 0.05)
    #expect(ErrorSummary.ninetieth(fit.heldOutErrors) < 0.15)
  }

  /// A part of the rows keeps debug builds fast; the limits leave room for fewer rows.
  @Test(
    "of the shared tables are met where they were not fitted",
    .enabled(if: SharedMeasurements.isPresent, Comment(rawValue: SharedMeasurements.absence)),
    arguments: [
      Goal(
        folder: "h100_sxm", family: "vllm_fused_moe bfloat16", median: 0.055, ninetieth: 0.2),
      Goal(folder: "h100_sxm", family: "vllm_fused_moe fp8", median: 0.055, ninetieth: 0.2),
      Goal(folder: "h100_sxm", family: "vllm_fused_moe fp8_block", median: 0.05, ninetieth: 0.13),
      Goal(
        folder: "h100_sxm", family: "vllm_marlin_int4_moe int4_wo", median: 0.065, ninetieth: 0.27),
      Goal(
        folder: "a100_sxm", family: "vllm_fused_moe bfloat16", isA100: true, median: 0.13,
        ninetieth: 0.4),
    ])
  func shared(goal: Goal) throws {
    let table = try MeasurementTable(
      reading: "\(SharedMeasurements.folder)/\(goal.folder)/moe.csv.xz")
    let machine = goal.isA100 ? MeasuredMachines.a100 : MeasuredMachines.h100
    let family = table.rows.filter {
      goal.family == "\(table.text("kernel_source", $0)) \(table.text("moe_dtype", $0))"
    }
    var stream = RandomStream(seed: 1, name: "subset")
    let lines = Set(
      family.filter { _ in stream.uniform() * Double(family.count) < 450 }.map(\.line))
    let rows = try table.expertsMeasurements(on: machine) { lines.contains($0) }
    var settings = KernelFit<FusedExpertsLaw>.Settings(telling: rows)
    settings.searches = 1
    settings.mostIterations = 10
    let fit = try KernelFit<FusedExpertsLaw>(rows, settings)
    #expect(ErrorSummary.median(fit.heldOutErrors) < goal.median)
    #expect(ErrorSummary.ninetieth(fit.heldOutErrors) < goal.ninetieth)
  }
}
