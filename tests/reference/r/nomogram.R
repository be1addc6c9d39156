# Nomogram of a model with two factors and numbers: rms.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages(library(rms))
d <- clinical_table()
dd <- datadist(d)
options(datadist = "dd")
m <- lrm(fracture ~ age + sex + grade + vbmd + visual_score, data = d, eps = 1e-12, maxit = 100)
at <- c(0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
n <- nomogram(m, fun = plogis, fun.at = at, funlabel = "risk")
put("coefficients", coef(m))
put("points_per_linear_predictor", attr(n, "info")$sc)
for (name in c("age", "sex", "grade", "vbmd", "visual_score")) {
  if (!is.factor(d[[name]])) put(paste0("ticks_", name), n[[name]][[name]])
  put(paste0("points_", name), n[[name]]$points)
}
put("marked_probability", n$risk$fat)
put("total_points", n$risk$x)
# rms inverts the probability by interpolation in a table; on its own scale, exactly:
put("exact_total_points", (qlogis(at) - attr(n, "info")$Intercept) * attr(n, "info")$sc)
finish("rms")
