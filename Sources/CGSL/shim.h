#include <gsl/gsl_eigen.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <gsl/gsl_statistics_double.h>

// GSL declares its constant types without const on the pointer, which Swift 6 takes for shared
// mutable state.
static inline const gsl_multifit_nlinear_type *cgsl_trust_region(void) {
  return gsl_multifit_nlinear_trust;
}
