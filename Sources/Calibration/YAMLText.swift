/// Lines of a catalogue file.
enum YAMLText {
  /// `first` and, indented below it, a text over lines of at most 100 columns.
  static func folded(_ first: String, _ text: String) -> [String] {
    var lines = [first]
    var line = "   "
    for word in text.split(separator: " ") {
      if line.count + 1 + word.count > 100 {
        lines.append(line)
        line = "   "
      }
      line += " " + word
    }
    return lines + [line]
  }
}
