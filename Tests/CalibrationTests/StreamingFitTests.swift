import Foundation
import Hardware
import Models
import Statistics
import Testing

@testable import Calibration

@Suite("Streaming kernels' law")
struct StreamingFitTests {
  @Test("is found again from times it has made")
  func recovery() throws {
    let machine = SharedKernels.h100(.bf16)
    let truth = StreamingLaw([3e-6, 8e9, 0.4, 0.9, 0.7])
    let rows = [1, 2, 8, 64, 300, 1000, 2000, 4096, 16_384].flatMap { tokens in
      [8e3, 32e3, 170e3].map { bytes in
        let work = StreamingLaw.Work(rows: tokens, rowBytes: bytes)
        return KernelMeasurement(
          work, on: machine, time: truth.parts(of: work, on: machine).total, family: "made",
          place: "made")
      }
    }
    let fit = try KernelFit<StreamingLaw>(rows)
    #expect(fit.errors.errorQuantile(1) < 1e-3)
    // The cache's two numbers stand for each other where few rows lie between.
    for (found, wanted) in zip(fit.law.values, truth.values).prefix(3) {
      #expect(abs(found / wanted - 1) < 0.02)
    }
  }
}

@Suite(
  "Measured streaming kernels",
  .enabled(if: SharedMeasurements.isPresent, Comment(rawValue: SharedMeasurements.absence)))
struct SharedStreamingTests {
  @Test("are met with a median error of six percent, kernel by kernel")
  func fit() throws {
    let folder = URL(fileURLWithPath: SharedMeasurements.folder).deletingLastPathComponent().path
    let table = "\(folder)/vidur-profiling/compute/h100_meta-llama_Llama-2-70b-hf_mlp.csv.xz"
    let read = try StreamingMeasurements(reading: [table], on: SharedKernels.h100(.bf16))
    let families = Dictionary(grouping: read.rows, by: \.family)
    #expect(families.count == 6)
    for (family, rows) in families {
      let fit = try KernelFit<StreamingLaw>(
        SharedKernels.thinned(rows, family, to: 500), .streaming)
      #expect(fit.heldOutErrors.errorQuantile(0.5) < 0.06, "\(family)")
    }
  }
}
