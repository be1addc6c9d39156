# The aSAH data of pROC: reclassification, and the optimism bootstrap with R's own resamples.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages({
  library(pROC)
  library(rms)
})
data(aSAH)
d <- aSAH
d$y <- as.integer(d$outcome == "Poor")
d$w <- as.numeric(d$wfns)
exact <- glm.control(epsilon = 1e-14, maxit = 100)
old <- glm(y ~ age + gender + w, binomial, d, control = exact)
new <- glm(y ~ age + gender + w + s100b, binomial, d, control = exact)
r <- improveProb(fitted(old), fitted(new), d$y)
for (name in c("nri", "nri.ev", "nri.ne", "idi"))
  put(gsub(".", "_", name, fixed = TRUE),
      c(r[[name]], r[[paste0("se.", name)]], r[[paste0("z.", name)]]))
p <- fitted(new)
at <- c(0.1, 0.2, 0.3, 0.4, 0.5)
put("net_benefit", sapply(at, function(t)
  (sum(p >= t & d$y == 1) - sum(p >= t & d$y == 0) * t / (1 - t)) / nrow(d)))
test <- anova(old, new, test = "LRT")
put("likelihood_ratio", c(test$Deviance[2], test$Df[2], test[["Pr(>Chi)"]][2]))

# rms stops lrm.fit early; here its fits converge.
to_the_end <- rms::lrm.fit
formals(to_the_end)$eps <- 1e-12
formals(to_the_end)$maxit <- 100
assignInNamespace("lrm.fit", to_the_end, "rms")
m <- lrm(y ~ age + gender + w + s100b, data = d, x = TRUE, y = TRUE, eps = 1e-12, maxit = 100)
set.seed(1)
v <- unclass(validate(m, B = 1000, maxit = 100))
for (name in c("Dxy", "Slope", "B"))
  put(paste0("validate_", name), v[name, c("index.orig", "training", "test", "optimism",
                                           "index.corrected", "n")])
finish(c("pROC", "rms", "Hmisc"))
