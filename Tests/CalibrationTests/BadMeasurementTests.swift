import Foundation
import Hardware
import Testing
import Units

@testable import Calibration

@Suite("A table that cannot be fitted")
struct BadMeasurementTests {
  private static let nccl = """
    op_name,nccl_dtype,num_gpus,message_size,latency
    alltoall,half,8,1024,0.008
    alltoall,half,8,1048576,0.019
    """
  private static let exchange = """
    node_num,hidden_size,num_token,num_topk,num_experts,combine_avg_t_us,dispatch_avg_t_us
    2,7168,128,8,256,186,102
    """

  /// The sentence that its user reads, or nil where the table is fine.
  private func sentence(
    _ text: String, library: CollectiveLibrary? = nil, network: Link? = nil
  ) -> String? {
    do {
      let table = try MeasurementTable(text: text, file: "t.csv")
      let measurements = try CollectiveMeasurements([table], library: library)
      _ = try CollectiveCalibration(
        measurements, scaleUp: Links.nvlink4, scaleOut: network, date: "2026-11-21")
      return nil
    } catch {
      return error.sentence
    }
  }

  @Test("is empty or has only a header")
  func empty() {
    #expect(sentence("") == "t.csv: holds no measurements")
    #expect(sentence("op_name,latency\n\n") == "t.csv: holds no measurements")
  }

  @Test("has other columns")
  func columns() {
    #expect(
      sentence("op_name,num_gpus\nalltoall,8")
        == "t.csv:1: the columns 'nccl_dtype', 'message_size', 'latency' are missing; "
        + "the table has op_name, num_gpus")
    #expect(
      sentence("a,b\n1,2")
        == "t.csv:1: a table of collectives has a column 'op_name' (NCCL), 'dispatch_avg_t_us' "
        + "(DeepEP low latency) or 'dispatch_transmit_us' (DeepEP normal); this one has a, b")
    #expect(
      sentence(Self.nccl + "\nalltoall,half,8,1024")
        == "t.csv:4: the row has 4 cells and the header 5")
  }

  @Test("has a column twice, or is a folder; a spreadsheet's marks and quotes do no harm")
  func spreadsheets() throws {
    #expect(
      sentence("op_name,op_name\nalltoall,half") == "t.csv:1: the column 'op_name' is there twice")
    let table = try MeasurementTable(
      text: "\u{FEFF}\"a\",b\r\n\"1\",\"x y\"\r\n", file: "t.csv")
    #expect(table.columns == ["a", "b"])
    #expect(table.rows.map { $0.cells.map(String.init) } == [["1", "x y"]])
    var refusal = ""
    do throws(CalibrationError) {
      _ = try MeasurementTable(reading: "/")
    } catch {
      refusal = error.sentence
    }
    #expect(refusal == "/: cannot be read: it is a directory")
  }

  @Test("has a cell that cannot be")
  func cells() {
    func replaced(_ part: String, _ other: String) -> String? {
      sentence(Self.nccl.replacingOccurrences(of: part, with: other))
    }
    #expect(
      replaced("alltoall,half,8,1024", "alltoall,half,8,-1")
        == "t.csv:2: 'message_size' is '-1'; it must be a whole number from 1 to 35184372088832")
    #expect(
      replaced("0.019", "nan")
        == "t.csv:3: 'latency' is 'nan'; it must be a number from 1e-06 to 1000000000.0")
    #expect(
      replaced("alltoall,half,8,1024", "all2all,half,8,1024")
        == "t.csv:2: 'op_name' is 'all2all'; it must be one of all_gather, all_reduce, alltoall, "
        + "broadcast, reduce_scatter, sendrecv")
    #expect(
      replaced("half,8,1024", "fp4,8,1024")?.hasPrefix("t.csv:2: 'nccl_dtype' is 'fp4'") == true)
  }

  @Test("has times in another unit")
  func units() {
    #expect(
      sentence(
        """
        op_name,nccl_dtype,num_gpus,message_size,latency
        alltoall,half,8,1073741824,0.0059
        """)
        == "t.csv:2: 1.879 GB in 5.9 us are 318.5 TB/s, more than the 450 GB/s of nvlink4; "
        + "the time's unit or the link is wrong")
    #expect(
      sentence(
        """
        op_name,nccl_dtype,num_gpus,message_size,latency
        alltoall,half,8,1024,8.1
        alltoall,half,8,2048,7.9
        """) == "t.csv:3: even the fastest collective takes 7.9 ms; the time's unit is wrong")
  }

  @Test("crosses nodes over a link that was not named, or measures another library")
  func networkAndLibrary() {
    #expect(
      sentence(Self.exchange)
        == "t.csv:2: the measurement is of 2 nodes; name the link between them with --network")
    #expect(
      sentence(Self.exchange, library: .nccl)
        == "t.csv: measures deepep-low-latency, but --library measures nccl; "
        + "fit one library at a time")
  }

  @Test("has too few rows for the form's numbers")
  func tooFewRows() {
    #expect(
      sentence(Self.nccl)
        == "nccl-nvlink4-all-to-all was measured at 2 points, which cannot tell 5 numbers apart (launch, "
        + "protocol.bandwidth, protocol.ceiling, ramp, share); it takes 10 or more")
  }

  @Test("was measured on another device than it is said to be of")
  func otherDevice() throws {
    let catalogue = try HardwareCatalogue.load()
    func sentence(_ said: String, on device: String) throws -> String? {
      let table = try MeasurementTable(
        text: "m,n,k,device\n1,2,3,\(said)\n1,2,3,\(said)\n", file: "t.csv")
      do {
        let device = try catalogue.device(named: device)
        try table.checkDevice([device], wanted: device.name)
        return nil
      } catch let error as CalibrationError { return error.sentence }
    }
    #expect(
      try sentence("NVIDIA A100-SXM4-80GB", on: "h100-sxm")
        == "t.csv:2: was measured on 'NVIDIA A100-SXM4-80GB', which is not h100-sxm")
    for device in ["h800-sxm", "a100-sxm-80gb", "a100-pcie-80gb", "h200-sxm"] {
      #expect(try sentence("NVIDIA H100 80GB HBM3", on: device) != nil, "\(device)")
    }
    for (said, device) in [
      ("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"), ("NVIDIA H100 80GB HBM3", "h100-sxm"),
      ("NVIDIA H100", "h100-pcie"), ("a GPU", "h100-sxm"), ("RTX A6000", "rtx-a6000"),
    ] {
      #expect(try sentence(said, on: device) == nil, "\(said)")
    }
  }

  @Test("is no file, or no .xz file")
  func files() throws {
    let folder = FileManager.default.temporaryDirectory.path
    let garbage = "\(folder)/garbage-\(UUID().uuidString).csv.xz"
    try "not compressed".write(toFile: garbage, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: garbage) }
    func sentence(_ file: String) -> String? {
      do {
        _ = try CollectiveMeasurements(reading: [file])
        return nil
      } catch { return error.sentence }
    }
    #expect(sentence(garbage) == "\(garbage): cannot be read: it is not in the .xz format")
    #expect(sentence("/nowhere.csv") == "/nowhere.csv: cannot be read: no such file")
    #expect(sentence(folder)?.hasPrefix("\(folder): cannot be read") == true)
  }
}

@Suite("Entries written to a file")
struct CollectiveEntriesTests {
  @Test("replace those of the same name and keep the others, sorted")
  func merging() {
    func cost(_ name: String, launch: Seconds) -> CollectiveCost {
      var cost = CollectiveCost(launch: launch)
      cost.name = name
      return cost
    }
    let entries = CollectiveEntries([cost("b", launch: 2e-6)])
      .merged(into: [cost("c", launch: 1e-6), cost("b", launch: 1e-6), cost("a", launch: 1e-6)])
    #expect(entries.costs.map(\.name) == ["a", "b", "c"])
    #expect(entries.costs.map(\.launch) == [1e-6, 2e-6, 1e-6])
  }
}
