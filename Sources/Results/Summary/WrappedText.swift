/// A sentence in lines of at most `width` characters, where words allow it: the first indented by two
/// blanks, the others by four.
public func wrapped(_ sentence: String, width: Int = 100) -> String {
  var lines: [String] = []
  var line = " "
  for word in sentence.split(separator: " ") {
    if line.count + 1 + word.count > width, line.contains(where: { $0 != " " }) {
      lines.append(line)
      line = "   "
    }
    line += " " + word
  }
  return (lines + [line]).map { $0 + "\n" }.joined()
}
