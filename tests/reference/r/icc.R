# Intraclass correlations with their limits: psych.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages(library(psych))
r <- ICC(as.matrix(table_of("ratings")), lmer = FALSE)$results
put("icc", r$ICC)
put("low", r[["lower bound"]])
put("high", r[["upper bound"]])
finish("psych")
