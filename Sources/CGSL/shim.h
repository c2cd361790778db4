#include <gsl/gsl_errno.h>
#include <gsl/gsl_statistics_double.h>
