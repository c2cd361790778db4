import Foundation
import Testing

@Suite("switchyard calibrate, validate kernels and cost")
struct KernelCommandTests {
  let bench: Workbench

  init() throws { bench = try Workbench() }

  /// Rows of a streaming kernel that takes 3 us, and its bytes at 0.8 of 3,350 GB/s; beyond half of
  /// the cache, so that all of it comes from memory.
  private func table(scale: Double = 1) -> String {
    var lines = ["op,shape,dtype,microseconds"]
    for rows in stride(from: 40_000, through: 400_000, by: 9_000) {
      for bytes in [4096, 16_384] {
        let seconds = 3e-6 + Double(rows * bytes) / (0.8 * 3350e9)
        lines.append("streaming,\(rows)x\(bytes),bf16,\(seconds * 1e6 * scale)")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func object(_ arguments: [String]) throws -> [String: Any] {
    let outcome = try bench.run(arguments + ["--json"])
    try #require(outcome.exitCode == 0, "\(outcome.errors)")
    return try #require(
      JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  @Test("calibrate finds what a table was made with, and validate agrees")
  func fits() throws {
    try bench.write(table(), to: "mine.csv")
    let report = try object([
      "calibrate", "mine.csv", "--device", "h100-sxm", "--out", "mine.yaml", "--report", "drawn",
      "--date", "2026-11-21",
    ])
    let kernels = try #require(report["kernels"] as? [[String: Any]])
    let terms = try #require(kernels.first?["terms"] as? [[String: Any]])
    func value(_ key: String) -> Double {
      let text = terms.first { $0["key"] as? String == key }?["value"] as? String
      return text?.split(separator: " ").first.flatMap { Double($0) } ?? 0
    }
    #expect(abs(value("memory") / 0.8 - 1) < 0.02)
    let written = try bench.text(bench.file("mine.yaml"))
    #expect(written.contains("  h100-sxm-streaming-measured-bfloat16:\n"))
    #expect(try bench.text(bench.file("drawn/h100-sxm-streaming.svg")).hasPrefix("<svg"))
    // The file is a catalogue whose entry goes before the program's, and is kept when others come.
    let check = try object([
      "validate", "kernels", "mine.csv", "--device", "h100-sxm", "--catalogue", "mine.yaml",
    ])
    let judged = try #require(check["families"] as? [[String: Any]])
    let errors = try #require(judged.first?["errors"] as? [String: Any])
    #expect(errors["count"] as? Int == 82)
    #expect(try #require(errors["worst"] as? Double) < 0.01)
    let rows = table().split(separator: "\n").dropFirst().map { "other,\($0)" }
    try bench.write(
      (["kernel,op,shape,dtype,microseconds"] + rows).joined(separator: "\n"), to: "other.csv")
    _ = try object(["calibrate", "other.csv", "--device", "h100-sxm", "--out", "mine.yaml"])
    let both = try bench.text(bench.file("mine.yaml"))
    #expect(
      both.contains("streaming-measured-bfloat16:") && both.contains("streaming-other-bfloat16:"))
  }

  @Test(
    "what a table of one's own was fitted to goes before the program's numbers, in cost and in runs"
  )
  func ownEntries() throws {
    try bench.write(table(scale: 3), to: "mine.csv")
    _ = try object(["calibrate", "mine.csv", "--device", "h100-sxm", "--out", "mine.yaml"])
    let shape = ["streaming", "100000", "16384"]
    let shipped = try object(["cost", "--device", "h100-sxm"] + shape)
    let own = try object(["cost", "--device", "h100-sxm", "--catalogue", "mine.yaml"] + shape)
    #expect(own["entry"] as? String == "h100-sxm-streaming-measured-bfloat16")
    #expect(
      try #require(own["seconds"] as? Double) > 2 * (shipped["seconds"] as? Double ?? .infinity))
    try bench.scenario()
    let run = try object(["run", "scenario.yaml"])
    let slower = try object(["run", "scenario.yaml", "--set", "catalogue=[mine.yaml]"])
    let key = "tokens_per_second"
    #expect(
      try #require(slower[key] as? Double) < 0.98 * #require(run[key] as? Double))
  }

  @Test("validate refuses a device's numbers where it has none")
  func numbersOfNobody() throws {
    try bench.write(table(), to: "mine.csv")
    let outcome = try bench.run([
      "validate", "kernels", "mine.csv", "--device", "h100-sxm", "--numbers-of", "h20",
    ])
    #expect(outcome.exitCode == 2)
    #expect(
      outcome.errors.contains("no numbers for streaming kernels that were fitted on h20"))
  }

  @Test("calibrate fits nothing for a report that cannot be written")
  func impossibleReport() throws {
    try bench.write(table(), to: "mine.csv")
    try FileManager.default.createSymbolicLink(
      atPath: bench.file("nowhere"), withDestinationPath: "missing")
    let name = String(repeating: "a", count: 300)
    for (directory, reason) in [
      ("mine.csv/drawn", "cannot be written: Not a directory"),
      ("missing/drawn", "cannot be written: No such file or directory"),
      (name, "cannot be written: File name too long"), ("nowhere", "is not a directory"),
      ("mine.csv", "is not a directory"),
    ] {
      #expect(
        try bench.refusal(
          "calibrate", "mine.csv", "--device", "h100-sxm", "--report", directory,
          "--out", "mine.yaml") == "'\(directory)' \(reason)")
    }
    // Not even tables that do not exist are looked for.
    #expect(
      try bench.refusal("calibrate", "none.csv", "--device", "h100-sxm", "--report", name)
        .hasPrefix("'aaa"))
    #expect(try bench.contents == ["mine.csv", "nowhere"])
  }

  @Test("calibrate can keep numbers and judge them by other rows")
  func keptNumbers() throws {
    let rows = table(scale: 1.25).split(separator: "\n").dropFirst().map { "input_layernorm,\($0)" }
    try bench.write(
      (["kernel,op,shape,dtype,microseconds"] + rows).joined(separator: "\n"), to: "others.csv")
    // The program's own entry is of a kernel without a type.
    #expect(
      try bench.refusal("calibrate", "others.csv", "--device", "h100-sxm", "--keep-numbers")
        .hasPrefix("the catalogue has no numbers for streaming input_layernorm bfloat16 kernels"))
    #expect(
      try bench.refusal(
        "calibrate", "others.csv", "--device", "h100-sxm", "--keep-numbers", "--date", "2026-11-21")
        == "--keep-numbers fits nothing: leave --report, --source and --date out")
  }

  @Test("a table that cannot be right is refused with file, line and reason")
  func badTables() throws {
    func refusal(_ text: String, device: String = "h100-sxm") throws -> String {
      try bench.write(text, to: "bad.csv")
      return try bench.refusal("calibrate", "bad.csv", "--device", device)
    }
    let head = "op,shape,dtype,microseconds\n"
    #expect(
      try refusal("a,b\n1,2\n").hasPrefix("bad.csv:1: a table of kernels has columns of"))
    #expect(
      try refusal(head + "gemm,8x8x8,bf16,0\n")
        .hasPrefix("bad.csv:2: 'microseconds' is '0'; it must be a number from "))
    for time in ["-3", "nan", "inf", "x", ""] {
      #expect(
        try refusal(head + "gemm,8x8x8,bf16,\(time)\n").hasPrefix("bad.csv:2: 'microseconds' is"))
    }
    #expect(
      try refusal(head + "gemm,8x8,bf16,5\n")
        == "bad.csv:2: 'shape' is '8x8'; it must be mxnxk in whole numbers from 1")
    #expect(
      try refusal(head + "gemm,8x8x8,bf17,5\n").hasPrefix("bad.csv:2: 'dtype' is 'bf17'; it must"))
    #expect(
      try refusal(head + "gemmm,8x8x8,bf16,5\n").hasPrefix("bad.csv:2: 'op' is 'gemmm'; it must"))
    #expect(
      try refusal(head + "gemm,8x8x8,bf16,5\ngemm,8x8x16,bf16,6\n")
        .hasPrefix("gemm measured bfloat16 was measured at 2 points, which cannot tell "))
    #expect(
      try refusal(table(), device: "h100")
        .hasPrefix("there is no device 'h100' in the catalogue; did you mean"))
    #expect(
      try refusal(table(), device: "xeon-8380")
        .hasPrefix("the catalogue does not say how many compute units xeon-8380 has"))
    #expect(
      try bench.refusal("calibrate", "none.csv", "--device", "h100-sxm")
        == "none.csv: cannot be read: no such file")
  }

  @Test("cost answers by the roofline where runs do, and says why")
  func roofline() throws {
    let mi300x = try object(["cost", "--device", "mi300x", "gemm", "4096", "4096", "4096"])
    // 2 x 4096^3 operations at 1,307 TFLOP/s take 105 us, and a launch 3 us.
    let seconds = try #require(mi300x["seconds"] as? Double)
    #expect(seconds > 108e-6 && seconds < 300e-6)
    #expect(mi300x["entry"] as? String == "roofline")
    let text = try bench.output(of: "cost", "--device", "mi300x", "gemm", "1", "4096", "4096")
    #expect(text.firstMatch(of: /bound by +memory/) != nil)
    #expect(
      text.contains(
        "- by the plain roofline, as in runs: the catalogue does not say how many compute units it has"
      ))
    #expect(
      try bench.output(of: "cost", "--device", "monde-ndp", "gemm", "64", "64", "64")
        .contains("- by the plain roofline, as in runs: "))
    for shape in [
      ["grouped-gemm", "64", "8", "512", "512"], ["experts", "64", "1024", "512", "8", "2"],
      ["attention-decode", "8", "2048", "32", "8", "128"],
      ["attention-prompt", "1", "2048", "32", "8", "128"], ["latent-decode", "8", "2048", "16"],
      ["latent-prompt", "1", "2048", "16"], ["streaming", "64", "8192"],
    ] {
      let answer = try object(["cost", "--device", "mi300x"] + shape)
      #expect(try #require(answer["seconds"] as? Double) > 3e-6, "\(shape)")
    }
    #expect(
      try bench.refusal("cost", "--device", "mi300x", "gemm", "1", "2", "3", "--dtype", "fp3")
        .hasPrefix("'fp3' is not a type of gemm kernels; one of: bfloat16, "))
  }

  @Test("cost explains one kernel")
  func cost() throws {
    let gemm = ["cost", "--device", "h100-sxm", "gemm", "4096", "4096", "4096", "--dtype", "bf16"]
    let answer = try object(gemm)
    // 2 x 4096^3 operations at 989 TFLOP/s take 139 us.
    let seconds = try #require(answer["seconds"] as? Double)
    #expect(seconds > 139e-6 && seconds < 250e-6)
    #expect(answer["bound"] as? String == "compute")
    let text = try bench.output(of: "cost", "--device", "h100-sxm", "gemm", "1", "4096", "4096")
    #expect(text.firstMatch(of: /bound by +memory/) != nil)
    #expect(text.contains("tensor-fraction"))
    // What was not measured says whose numbers it takes.
    let relative = try bench.output(
      of: "cost", "--device", "h20", "latent-decode", "64", "4096", "128")
    #expect(relative.contains("uncalibrated: kernels of h100-sxm"))
    let outside = try bench.output(of: "cost", "--device", "h100-sxm", "gemm", "4", "8", "4096")
    #expect(outside.contains("- outside what was measured of gemm: n 8 is below "))
    #expect(!text.contains("outside what was measured"))
    #expect(
      try bench.refusal("cost", "--device", "h100-sxm", "experts", "64", "7168", "2048", "8", "9")
        == "no such experts kernel: top-k is 9, but there are only 8 experts to choose from")
    #expect(
      try bench.refusal("cost", "--device", "h100-sxm", "gemm", "1", "2")
        == "gemm takes 3 whole numbers from 1: m, n, k")
    #expect(
      try bench.refusal("cost", "--device", "h100-sxm", "gemm", "0", "2", "3")
        == "gemm takes 3 whole numbers from 1: m, n, k")
    #expect(
      try bench.refusal("cost", "--device", "h100-sxm", "gemm", "1", "2", "3", "--dtype", "fp3")
        .hasPrefix("'fp3' is not a type of gemm kernels; one of: bfloat16, "))
  }
}
