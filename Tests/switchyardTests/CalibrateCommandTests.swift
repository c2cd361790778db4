import Foundation
import Testing

@Suite("switchyard calibrate collectives")
struct CalibrateCommandTests {
  let bench: Workbench

  init() throws { bench = try Workbench() }

  /// NCCL's columns: 10 us, 0.5 us for each further rank, and the wire bytes at 315 GB/s, which is
  /// 0.7 of NVLink 4.
  private func table(unit: Double = 1e3) -> String {
    var lines = ["op_name,nccl_dtype,num_gpus,message_size,latency"]
    for ranks in [2, 4, 8] {
      for exponent in 8..<30 {
        let bytes = exp2(Double(exponent))
        let wire = bytes * Double(ranks - 1) / Double(ranks)
        let seconds = 10e-6 + 0.5e-6 * Double(ranks - 1) + wire / 315e9
        lines.append("all_gather,int8,\(ranks),\(1 << exponent),\(seconds * unit)")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func write(_ text: String, _ name: String) throws -> String {
    let path = bench.file(name)
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test("prints what it found, and writes it as a catalogue's entry")
  func fits() throws {
    let file = try write(table(), "gather.csv")
    let arguments = ["calibrate", "collectives", file, "--link", "nvlink4"]
    let text = try bench.run(arguments)
    #expect(text.exitCode == 0 && text.errors == "")
    #expect(text.output.hasPrefix("nccl-nvlink4-all-gather\n  launch "))
    #expect(text.output.contains("errors over all entries"))
    let json = try bench.run(arguments + ["--json", "--out", "mine.yaml", "--date", "2026-11-21"])
    let report = try #require(
      JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    let entries = try #require(report["entries"] as? [[String: Any]])
    let terms = try #require(entries.first?["terms"] as? [[String: Any]])
    let share = try #require(terms.first { $0["key"] as? String == "share" }?["value"] as? String)
    #expect(abs((Double(share) ?? 0) - 0.7) < 0.01)
    let written = try String(contentsOfFile: bench.file("mine.yaml"), encoding: .utf8)
    #expect(written.contains("  nccl-nvlink4-all-gather:\n    source: nccl-nvlink4\n"))
    #expect(written.contains("date: '2026-11-21'"))
    // Once more, and the file is the same.
    _ = try bench.run(arguments + ["--out", "mine.yaml", "--date", "2026-11-21"])
    #expect(try String(contentsOfFile: bench.file("mine.yaml"), encoding: .utf8) == written)
  }

  @Test("ends with code 2 and one sentence with file and line where a table is wrong")
  func badInput() throws {
    let files = [
      ("empty.csv", "", "empty.csv: holds no measurements"),
      ("columns.csv", "op_name,latency\na,1\n", "columns.csv:1: the columns 'nccl_dtype'"),
      (
        "unit.csv", table(unit: 1),
        "more than the 450 GB/s of nvlink4; the time's unit or the link is wrong"
      ),
      ("slow.csv", table(unit: 1e6), "slow.csv:2: even the fastest collective takes 10.5 ms"),
    ]
    for (name, text, sentence) in files {
      let file = try write(text, name)
      let outcome = try bench.run(["calibrate", "collectives", file, "--link", "nvlink4"])
      #expect(outcome.exitCode == 2 && outcome.output == "", "\(name)")
      #expect(outcome.errors.contains(sentence), "\(name): \(outcome.errors)")
      #expect(outcome.errors.count(where: \.isNewline) == 1)
    }
    let file = try write(table(), "gather.csv")
    _ = try write("devices: {}\n", "devices.yaml")
    for (arguments, sentence) in [
      (
        ["--link", "nvlnk4"], "there is no link 'nvlnk4' in the catalogue; did you mean 'nvlink4'?"
      ),
      (["--link", "nvlink4", "--library", "deepep-normal"], "--library measures deepep-normal"),
      (
        ["--link", "nvlink4", "--out", "/nowhere/x.yaml"],
        "'/nowhere/x.yaml' cannot be written: No such file or directory"
      ),
      (["--link", "nvlink4", "--out", "devices.yaml"], "devices.yaml also has 'devices', which"),
      (["--link", "nvlink4", "--date", "today"], "--date is 'today'; write it like 2026-11-21"),
    ] {
      let outcome = try bench.run(["calibrate", "collectives", file] + arguments)
      #expect(outcome.exitCode == 2 && outcome.errors.contains(sentence), "\(outcome.errors)")
    }
  }
}
