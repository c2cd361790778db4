import Models
import Units

extension Deployment {
  /// How experts are computed away from where they live; nil where they are not.
  public var blocks: BlockExecution? {
    if case .blocks(let blocks) = execution.experts { blocks } else { nil }
  }

  /// Whole experts of others that a device has room to keep; 0 where none are kept.
  var duplicateCapacity: Int {
    guard let duplicates = blocks?.duplicates else { return 0 }
    let each = model.expertBytes(precisions, tensorSlices: parallelism.experts.tensor)
    return Int(cluster.device.memory.capacity * duplicates.share / each)
  }

  /// - Throws: ``ServingError/execution(_:)`` where blocks cannot be dealt here.
  func checkBlocks() throws(ServingError) {
    guard let blocks else { return }
    guard cluster.deviceCount > 1 else {
      throw .option(
        .blocks, "blocks have no effect on one device: there is nobody else to compute them")
    }
    guard parallelism.experts.tensor == 1 else {
      throw .option(
        .expertSlices,
        "blocks are of whole experts, and these are sliced over \(parallelism.experts.tensor) "
          + "devices; choose 'experts: {expert: \(cluster.deviceCount)}'")
    }
    guard placement.sharedGroups == 0 else {
      throw .option(
        .blocks,
        "blocks where shared experts have expert groups of their own are not possible so far")
    }
    guard !sendsOnceToNode else {
      throw .option(
        .exchangeAlgorithm,
        "where a token's blocks are computed is not known when it is sent to a node once; use "
          + "another kind of communication")
    }
    guard let duplicates = blocks.duplicates else { return }
    guard duplicateCapacity > 0 else {
      let each = model.expertBytes(precisions)
      throw .option(
        .duplicates,
        "\(cluster.device.memory.capacity * duplicates.share) kept for duplicates have no effect: "
          + "an expert takes \(each)")
    }
  }
}
