import CGSL

/// The arithmetic mean of a sample; `nil` for none. O(n), GSL's running mean.
public func mean(of sample: [Double]) -> Double? {
  guard isGSLErrorHandlerOff, !sample.isEmpty else { return nil }
  return gsl_stats_mean(sample, 1, sample.count)
}

/// The value below which a share `fraction` (0 to 1) of a sample lies, linear between neighbours
/// (GSL manual, "Median and Percentiles"); `nil` for an empty sample or a fraction outside 0 to 1.
///
/// O(n log n): sorts a copy.
public func quantile(_ fraction: Double, of sample: [Double]) -> Double? {
  guard isGSLErrorHandlerOff, !sample.isEmpty, (0...1).contains(fraction) else { return nil }
  return gsl_stats_quantile_from_sorted_data(sample.sorted(), 1, sample.count, fraction)
}

/// GSL aborts the process on an error unless told not to; its functions then return a status.
/// Every function here that calls GSL asks for this first.
let isGSLErrorHandlerOff: Bool = {
  gsl_set_error_handler_off()
  return true
}()
