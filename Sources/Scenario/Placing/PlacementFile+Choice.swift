import Placement

extension PlacementFile {
  /// What must be known where a run takes copies in a way that it does not say itself, or in another way than
  /// the placement was made for.
  ///
  /// - Parameter said: What the run says of copies; nil where it says nothing.
  public func remarks(taking said: ReplicaChoice?) -> [String] {
    guard let replicaChoice else { return [] }
    guard let said else {
      return replicaChoice == .even
        ? []
        : [
          "of an expert's copies tokens take the \(replicaChoice.words), as the placement file says"
        ]
    }
    return said == replicaChoice
      ? []
      : [
        "of an expert's copies tokens take the \(said.words), and the placement file was made for the "
          + replicaChoice.words
      ]
  }
}

extension ReplicaChoice {
  /// `nearest`, to stand behind an article.
  fileprivate var words: String { self == .even ? "next in turn (even)" : rawValue }
}
