# Reference values of osteoflow.statistics.mixed: run in this folder with `Rscript mixed.R`.
# Makes mixed.tsv (a synthetic table, fixed seed) and mixed_output.tsv (lme4, lmerTest).
suppressPackageStartupMessages({library(lme4); library(lmerTest)})
set.seed(20240611)
n <- 36
levels_ <- c("L1", "L2", "L3", "L4")
people <- data.frame(
  participant = sprintf("p%02d", 1:n),
  age = round(runif(n, 50, 85)),
  sex = sample(c("F", "M"), n, TRUE),
  u = rnorm(n, 0, 22)
)
d <- merge(people, data.frame(level = levels_))
shift <- c(L1 = 0, L2 = -3, L3 = -8, L4 = -5)
d$y <- 240 - 1.7 * d$age + 6 * (d$sex == "M") + shift[d$level] + d$u + rnorm(nrow(d), 0, 9)
d$noise <- 50 + 0.1 * d$age + rnorm(nrow(d), 0, 9)   # no participants' effect: often singular
d <- d[sort(sample(nrow(d), nrow(d) - 15)), ]        # unbalanced
d <- d[order(d$participant, d$level), c("participant", "level", "age", "sex", "y", "noise")]
d$y <- round(d$y, 3); d$noise <- round(d$noise, 3)
# A singular fit on purpose: participants' means more alike than chance makes them.
d$even <- round(d$noise - ave(d$noise, d$participant) + 100 + 0.2 * d$age, 3)
write.table(d, "mixed.tsv", sep = "\t", row.names = FALSE, quote = FALSE)
d <- read.delim("mixed.tsv")

options(digits = 17)
out <- data.frame()
add <- function(model, term, quantity, value)
  out <<- rbind(out, data.frame(model, term, quantity, value = sprintf("%.15g", value)))
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e6),
                       check.conv.singular = "ignore")
models <- list(
  full = y ~ level + age + sex + (1 | participant),
  age = y ~ age + (1 | participant),
  empty = y ~ 1 + (1 | participant),
  singular = even ~ level + age + (1 | participant)
)
for (name in names(models)) {
  fit <- lmerTest::lmer(models[[name]], d, REML = TRUE, control = control)
  table <- coef(summary(fit))
  for (term in rownames(table)) {
    add(name, term, "estimate", table[term, "Estimate"])
    add(name, term, "error", table[term, "Std. Error"])
    if (!isSingular(fit)) {
      add(name, term, "df", table[term, "df"])
      add(name, term, "p", table[term, "Pr(>|t|)"])
    }
  }
  v <- as.data.frame(VarCorr(fit))$vcov
  add(name, "", "variance_participant", v[1])
  add(name, "", "variance_residual", v[2])
  add(name, "", "criterion", as.numeric(-2 * logLik(fit)))
  add(name, "", "singular", as.numeric(isSingular(fit)))
  if (!isSingular(fit) && nrow(anova(fit)) > 0) {
    a <- anova(fit, type = 3)
    for (term in rownames(a)) {
      add(name, term, "F", a[term, "F value"])
      add(name, term, "F_df", a[term, "DenDF"])
      add(name, term, "F_p", a[term, "Pr(>F)"])
    }
  }
}
add("versions", paste("R", getRversion(), "lme4", packageVersion("lme4"), "lmerTest",
    packageVersion("lmerTest")), "version", 0)
write.table(out, "mixed_output.tsv", sep = "\t", row.names = FALSE, quote = FALSE)
