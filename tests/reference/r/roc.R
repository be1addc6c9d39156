# Areas, DeLong intervals and tests, Youden cut-off: pROC.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages(library(pROC))
d <- clinical_table()
d$low_vbmd <- -d$vbmd
curve_of <- function(marker, rows = rep(TRUE, nrow(d)))
  roc(d$fracture[rows], d[rows, marker], levels = 0:1, direction = "<", quiet = TRUE)
for (marker in c("rad_score", "visual_score", "low_vbmd")) {
  r <- curve_of(marker)
  ci <- ci.auc(r, method = "delong")
  put(paste0("auc_", marker), c(auc(r), ci[1], ci[3], var(r, method = "delong")))
  best <- coords(r, "best", best.method = "youden", transpose = FALSE,
                 ret = c("threshold", "sensitivity", "specificity"))
  put(paste0("youden_", marker), unlist(best[which.max(best$threshold), ]))
}
for (pair in list(c("rad_score", "visual_score"), c("rad_score", "low_vbmd"))) {
  t <- roc.test(curve_of(pair[1]), curve_of(pair[2]), method = "delong", paired = TRUE)
  put(paste0("paired_", pair[2]), c(t$statistic, t$p.value, t$conf.int))
}
women <- d$sex == "female"
t <- roc.test(curve_of("rad_score", women), curve_of("rad_score", !women), method = "delong",
              paired = FALSE)
put("unpaired_rad_score", c(t$statistic, t$parameter, t$p.value))
r <- curve_of("visual_score")
put("curve_sensitivity", rev(r$sensitivities))
put("curve_specificity", rev(r$specificities))
finish("pROC")
