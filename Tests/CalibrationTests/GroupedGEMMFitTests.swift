import Foundation
import Hardware
import Statistics
import Testing

@testable import Calibration

@Suite("Grouped multiplications in tables")
struct GroupedGEMMFitTests {
  @Test("are read as an up and a down projection of spread rows")
  func reading() throws {
    let rows = try MeasurementTable(
      text: """
        num_local_experts,hidden_size,intermediate_size,tokens_per_expert,up_proj_us,down_proj_us
        2,2048,768,10,20.5,11
        4,2048,768,1,20.5,11

        """, file: "made-up.csv"
    ).groupedMeasurements(on: MeasuredMachines.h20)
    #expect(rows.count == 4)
    // 10 rows x 0.85 and x 1.15, rounded down.
    #expect(rows[0].work.load == GroupedLoad(counts: [8, 11]))
    #expect(rows[0].work.n == 1536 && rows[0].work.k == 2048)
    #expect(rows[1].work.n == 2048 && rows[1].work.k == 768)
    #expect(abs(rows[0].time - 20.5e-6) < 1e-12 && abs(rows[1].time - 11e-6) < 1e-12)
    #expect(rows[1].machine.peak == 296e12 && rows[2].place == "made-up.csv:3")
    // 0.775, 0.925, 1.075, 1.225 rows: two experts have one.
    #expect(rows[2].work.load == GroupedLoad(counts: [1, 1]))
  }

  @Test("without a column are refused")
  func missing() {
    var message = ""
    do {
      _ = try MeasurementTable(
        text: "num_local_experts,hidden_size\n2,2048\n", file: "made-up.csv"
      ).groupedMeasurements(on: MeasuredMachines.h20)
    } catch { message = error.sentence }
    #expect(message.hasPrefix("made-up.csv:1: the columns 'intermediate_size', "))
  }

  @Test("give back the law that made them")
  func known() throws {
    var law = GroupedGEMMLaw([])
    law.launch = 6e-6
    law.tensorFraction = 0.7
    law.memoryFraction = 0.8
    let machine = try #require(MeasuredMachines.h20(.fp8))
    var stream = RandomStream(seed: 5, name: "grouped")
    var rows: [KernelMeasurement<GroupedGEMMWork>] = []
    for experts in [1, 8, 64] {
      for tokens in [1, 7, 32, 130, 1000] {
        for (n, k) in [(3072, 2048), (2048, 1536), (4096, 7168)] {
          let load = GroupedLoad(counts: repeatElement(tokens, count: experts))
          let work = GroupedGEMMWork(load: load, n: n, k: k, weightBytes: 1, activationBytes: 1)
          let time = law.parts(of: work, on: machine).total * (0.99 + 0.02 * stream.uniform())
          rows.append(
            KernelMeasurement(
              work, on: machine, time: time, family: "made up", place: "made-up:\(rows.count)"))
        }
      }
    }
    var settings = KernelFit<GroupedGEMMLaw>.Settings()
    settings.searches = 1
    for (term, value) in zip(GroupedGEMMLaw.terms, law.values)
    where !["launch", "tensor-fraction", "memory-fraction"].contains(term.key) {
      settings.fixed[term.key] = value
    }
    let fit = try KernelFit<GroupedGEMMLaw>(rows, settings)
    #expect(abs(fit.law.launch / 6e-6 - 1) < 0.03)
    #expect(abs(fit.law.tensorFraction / 0.7 - 1) < 0.03)
    #expect(abs(fit.law.memoryFraction / 0.8 - 1) < 0.03)
    #expect(ErrorSummary.median(fit.errors) < 0.01)
  }
}
