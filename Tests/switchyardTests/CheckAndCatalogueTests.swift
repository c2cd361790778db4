import Foundation
import Testing

@Suite("switchyard check, catalogue and help")
struct CheckAndCatalogueTests {
  let bench: Workbench

  init() throws { bench = try Workbench() }

  @Test("check prints what would run and runs nothing")
  func check() throws {
    let text = try bench.output(of: "check", Workbench.quickstart)
    for line in [
      "cluster      1 x dgx-h100: 8 x h100-sxm, NVIDIA H100 SXM5 80 GB",
      "placement    contiguous; 64 experts of all layers on each device",
      // bf16 keys and values of a token: 8 layers x (512 + 64) x 2 B = 9,216 B.
      "               KV cache        2.416 GB  = 128 sequences of 2048 tokens x 18.87 MB",
      "             1024 new tokens an iteration",
      "measure      5 warm-up, 50 counted iterations",
      "seed         1",
    ] { #expect(text.split(separator: "\n").contains { $0 == line }, "\(line)") }
    #expect(!text.contains("tokens/s"))
    #expect(try bench.contents == [])
  }

  @Test("check and run say what lies in companions' memories")
  func companions() throws {
    let monde = Workbench.repository + "/scenarios/papers/monde/nllb-near-data.yaml"
    let text = try bench.output(of: "check", monde)
    // 12 layers of 128 experts, each 2 x 2048 x 8192 numbers of 2 bytes.
    #expect(
      text.contains(
        "             103.1 GB of 512 GB (20.1 %) beside device 0, the fullest\n"
          + "               experts  103.1 GB  = 1536 copies x 67.11 MB\n"))
    #expect(text.contains("\ncompanion    monde-ndp beside each device, "))
    let shared = try bench.output(
      of: "check", Workbench.repository + "/scenarios/papers/duplex/mixtral-duplex.yaml")
    #expect(shared.contains("\n             works on the device's memory\n"))
    #expect(!(try bench.output(of: "check", Workbench.quickstart)).contains("companion"))
    let run = try bench.output(of: "run", monde, "--set", "measure.iterations=1")
    #expect(
      run.split(separator: "\n")[1]
        == "nllb-moe-54b, 1 x monde, beside each device monde-ndp, experts take 103.1 GB of its 512 GB, "
        + "1 device")
  }

  @Test("check --json is JSON with the same figures")
  func checkJSON() throws {
    let text = try bench.output(
      of: "check", Workbench.quickstart, "--json", "--set", "workload.batch=64")
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    let workload = try #require(object["workload"] as? [String: Any])
    #expect(workload["batch"] as? Int == 64)
    #expect(workload["sequences"] as? Int == 64 * 8)
    #expect(object["seed"] as? Int == 1)
  }

  @Test("Every shipped scenario is one that check accepts or refuses for its trace alone")
  func shippedScenarios() throws {
    let folder = Workbench.repository + "/scenarios"
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".yaml") }
    #expect(names.contains("quickstart.yaml"))
    for name in names {
      let outcome = try bench.run(["check", "\(folder)/\(name)"])
      // The recordings of others lie beside the repository, where they lie at all.
      let isMissingTrace =
        outcome.exitCode == 2 && outcome.errors.count(where: \.isNewline) == 1
        && outcome.errors.contains("cannot be read: No such file or directory")
      #expect(outcome.exitCode == 0 || isMissingTrace, "\(name): \(outcome.errors)")
    }
  }

  @Test("catalogue lists devices, links, nodes and models, and each of them by itself")
  func sections() throws {
    let all = try bench.output(of: "catalogue")
    let known = [
      "devices": "h100-sxm", "links": "nvlink4", "nodes": "dgx-h100", "models": "deepseek-v3",
    ]
    for (section, entry) in known {
      #expect(all.split(separator: "\n").contains { $0 == section })
      let one = try bench.output(of: "catalogue", section)
      #expect(one.split(separator: "\n").contains { $0.hasPrefix(entry + " ") })
      #expect(all.contains(one))
      // An entry shows where its numbers are from.
      let entryText = try bench.output(of: "catalogue", section, entry)
      #expect(entryText.hasPrefix("\(entry): "))
      #expect(entryText.contains("\nnumbers\n"))
    }
  }

  @Test("catalogue --json is JSON in which every number has a source")
  func catalogueJSON() throws {
    let text = try bench.output(of: "catalogue", "--json")
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: [[String: Any]]])
    #expect(object.keys.sorted() == ["devices", "links", "models", "nodes"])
    for entry in object.values.joined() {
      let numbers = try #require(entry["numbers"] as? [[String: Any]])
      #expect(!numbers.isEmpty)
      #expect(numbers.allSatisfy { ($0["source"] as? String)?.isEmpty == false })
    }
  }

  @Test("What the catalogue does not have is answered with what was probably meant")
  func unknownEntries() throws {
    #expect(
      try bench.refusal("catalogue", "devices", "h100")
        == "there is no device 'h100' in the catalogue; did you mean 'h100-pcie' or 'h100-sxm'?")
    #expect(
      try bench.refusal("catalogue", "devices", "abacus")
        == "there is no device 'abacus' in the catalogue; 'switchyard catalogue devices' lists them"
    )
    #expect(
      try bench.refusal("catalogue", "models", "mixtral")
        == "there is no model 'mixtral' in the catalogue; "
        + "did you mean one of mixtral-8x22b, mixtral-8x7b?")
    #expect(
      try bench.usageError("catalogue", "boxes").hasPrefix(
        "Error: The value 'boxes' is invalid for '<section>'."))
  }

  @Test("The commands that the help shows can be copied, and those on shipped files work")
  func help() throws {
    var shown: [String] = []
    for command in [
      [], ["run"], ["check"], ["catalogue"], ["trace"], ["trace", "info"], ["trace", "stats"],
      ["trace", "import"], ["trace", "synthesize"],
    ] {
      let text = try bench.run(command + ["--help"])
      #expect(text.exitCode == 0 && text.errors == "")
      // No example is broken over lines, unless with a backslash.
      let overview = text.output.replacingOccurrences(of: "\\\n", with: "")
        .components(separatedBy: "USAGE:")[0]
      shown += overview.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        .filter { $0.hasPrefix("switchyard ") }
    }
    #expect(shown.count >= 14)
    for example in Set(shown) where example.contains(".yaml") || example.contains("catalogue") {
      let words = example.split(separator: " ").dropFirst().map(String.init)
      let arguments = words.map {
        $0.hasPrefix("scenarios/") ? "\(Workbench.repository)/\($0)" : $0
      }
      #expect(try bench.run(arguments).exitCode == 0, "\(example)")
    }
    for example in Set(shown) where example.contains("traces/") {
      let words = example.split(separator: " ").dropFirst().map(String.init)
      let arguments = words.map { $0.hasPrefix("traces/") ? Workbench.trace : $0 }
      // The example is of DeepSeek-V3's shape; here two layers are enough.
      let smaller = [
        "--layers": "2", "--experts": "64", "--top-k": "2", "--sequences": "4", "--decode": "2",
      ]
      let isSynthetic = arguments.contains("synthesize")
      let kept = zip([""] + arguments, arguments).filter { before, word in
        !isSynthetic || smaller[before] == nil && smaller[word] == nil
      }.map(\.1)
      let added =
        isSynthetic ? smaller.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] } : []
      let outcome = try bench.run(kept + added)
      #expect(outcome.exitCode == 0, "\(example)")
    }
  }
}
