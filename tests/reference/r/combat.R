# Harmonisation of sites: sva::ComBat.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages(library(sva))
d <- table_of("sites")
x <- t(as.matrix(d[, grep("^f[0-9]", names(d))]))
mod <- model.matrix(~ age + sex, d)
run <- function(...) suppressMessages(ComBat(...))
put("plain", run(x, d$site))
put("covariates", run(x, d$site, mod = mod))
put("mean_only", run(x, d$site, mod = mod, mean.only = TRUE))
# A site of one row: sva then adjusts means alone.
alone <- d$site
alone[1] <- "vida"
put("single_row", run(x, alone, mod = mod))
finish("sva")
