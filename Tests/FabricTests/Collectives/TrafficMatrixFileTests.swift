import Fabric
import Testing
import Units

private func sentence(_ text: String, ranks: Int = 2) -> String {
  do {
    _ = try TrafficMatrix(csv: text, ranks: ranks)
    return "no error"
  } catch {
    return error.sentence
  }
}

@Test func aMatrixIsReadRowBySource() throws {
  let matrix = try TrafficMatrix(csv: "# bytes\n0, 4096,1.5e3\n\n1 KiB,0,2 MB\n7,8,9\n", ranks: 3)
  #expect(matrix.bytes == [0, 4096, 1500, 1024, 0, 2e6, 7, 8, 9])
  #expect(matrix[1, 2] == Bytes(2e6))
  let windows = try TrafficMatrix(csv: "\u{FEFF}0,1\r\n2,3\r\n", ranks: 2)
  #expect(windows.bytes == [0, 1, 2, 3])
}

@Test func aBadMatrixIsToldWithItsLine() {
  #expect(sentence("0,1\n2,3,4") == "line 2: 3 numbers in a row, and 2 ranks need 2")
  #expect(sentence("0,1,\n2,3") == "line 1: 3 numbers in a row, and 2 ranks need 2")
  #expect(sentence("# a\n\n0,1\n2,3\n4,5\n") == "line 5: row 3 of a matrix of 2 ranks")
  #expect(sentence("0,1\n") == "the matrix has 1 rows, and 2 ranks need 2")
  #expect(sentence("") == "the matrix has 0 rows, and 2 ranks need 2")
  #expect(
    sentence("0,1\n2,-3")
      == "line 2: column 2: '-3' is not an amount; it is 0 or more and finite")
  #expect(
    sentence("0,-1 kB\n2,3")
      == "line 1: column 2: '-1 kB' is not an amount; it is 0 or more and finite")
  #expect(
    sentence("0,1e999\n2,3")
      == "line 1: column 2: '1e999' is not an amount; it is 0 or more and finite")
  #expect(
    sentence("0,many\n2,3")
      == "line 1: column 2: 'many' does not begin with a number; an amount of memory is written "
      + "like '80 GB'")
  #expect(sentence("0,nan\n2,3").hasPrefix("line 1: column 2: 'nan' does not begin"))
  #expect(sentence("0,inf\n2,3").hasPrefix("line 1: column 2: 'inf' does not begin"))
  #expect(sentence("0,\n2,3").hasPrefix("line 1: column 2: '' does not begin"))
  #expect(sentence("0,0x10\n2,3").hasPrefix("line 1: column 2: 'x10' is not a unit"))
  #expect(
    sentence("1e308,1e308\n1e308,0") == "the bytes of the matrix are too many to add")
}
