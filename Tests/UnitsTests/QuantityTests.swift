import Testing
import Units

@Test func quantitiesReadTheUnitsThatPeopleWrite() throws {
  #expect(try Bandwidth(parsing: "3.35 TB/s").value == 3.35e12)
  #expect(try Bandwidth(parsing: "400 Gbit/s").value == 50e9)
  #expect(try Bandwidth(parsing: "400Gb/s").value == 50e9)
  #expect(try Bytes(parsing: "64 KiB").value == 65_536)
  #expect(try Bytes(parsing: "80GB").value == 80e9)
  #expect(try ComputeRate(parsing: "989 TFLOP/s").value == 989e12)
  #expect(try ComputeRate(parsing: "1979 TOPS").value == 1979e12)
  #expect(try Seconds(parsing: "2.5 us").value == 2.5e-6)
  #expect(try Seconds(parsing: "2.5 µs").value == 2.5e-6)
  #expect(try Tokens(parsing: "2048 tokens").value == 2048)
  #expect(try EnergyPerByte(parsing: "3.5 pJ/bit").value == 3.5e-12 * 8)
  #expect(try Bytes(parsing: "1e3 B").value == 1000)
  #expect(try Bytes(parsing: "1 EB").value == 1e18)
  #expect(try Bandwidth(parsing: "-5 GB/s").value == -5e9)
}

@Test func aTextThatIsNoQuantityIsRefusedWithAnExample() {
  func sentence(_ text: String) -> String {
    do {
      return "\(try Bandwidth(parsing: text))"
    } catch { return error.sentence }
  }
  #expect(sentence("50") == "'50' has no unit; a bandwidth is written like '3.35 TB/s'")
  #expect(sentence("50 GB") == "'GB' is not a unit of a bandwidth; write it like '3.35 TB/s'")
  #expect(
    sentence("fast")
      == "'fast' does not begin with a number; a bandwidth is written like '3.35 TB/s'")
  #expect(sentence("1e400 GB/s") == "'1e400 GB/s' is too large for a bandwidth")
  #expect(
    sentence("") == "'' does not begin with a number; a bandwidth is written like '3.35 TB/s'")
}

@Test func quantitiesPrintWithThePrefixThatKeepsThemShort() {
  #expect(Bandwidth(3.35e12).description == "3.35 TB/s")
  #expect(Bytes(999_960.0).description == "1 MB")
  #expect(Bytes(0).description == "0 B")
  #expect(Seconds(12.5e-6).description == "12.5 us")
  #expect(Tokens(123_456).description == "123456 tokens")
  #expect(Power(700.0).description == "700 W")
  #expect(SimTime(nanoseconds: 1_500).description == "1.5 us")
}

@Test func amountOverRateIsTimeAndBack() {
  let time = Bytes(67e9) / Bandwidth(3.35e12)
  #expect(abs(time.value - 0.02) < 1e-15)
  let moved: Bytes = Bandwidth(3.35e12) * time
  #expect(abs(moved.value - 67e9) < 1e-3)
}

@Test func aSpanBecomesTheNextWholePicosecond() {
  #expect(SimTime(roundingUp: 1.5e-12).picoseconds == 2)
  #expect(SimTime(roundingUp: 1e-12).picoseconds == 1)
  // 0.1 x 3 is 0.30000000000000004 in binary: no picosecond is added for that.
  #expect(SimTime(roundingUp: 0.1 * 3).picoseconds == 300_000_000_000)
  #expect(SimTime(roundingUp: 0.0).picoseconds == 0)
  #expect(SimTime(roundingUp: .infinity) == .never)
  #expect(SimTime(roundingUp: .nan) == .never)
}

@Test func decimalsAreFixedWithoutALocale() {
  #expect(fixed(1.005, decimals: 1) == "1.0")
  #expect(fixed(-0.05, decimals: 1) == "-0.1")
  #expect(fixed(12.5, decimals: 3) == "12.500")
  #expect(fourDigits(0.12345) == "0.123")
  #expect(fourDigits(12345.6) == "12346")
}
