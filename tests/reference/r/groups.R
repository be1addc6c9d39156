# Comparisons of groups, correlations, proportions, agreement of readings: base R.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
d <- clinical_table()
women <- d$sex == "female"
t <- t.test(d$vbmd[women], d$vbmd[!women])
put("welch", c(t$statistic, t$p.value))
# Ties, hence the normal approximation.
u <- suppressWarnings(wilcox.test(d$visual_score[women], d$visual_score[!women], exact = FALSE))
put("mann_whitney", c(u$statistic, u$p.value))
a <- summary(aov(vbmd ~ grade, d))[[1]]
put("anova", c(a[["F value"]][1], a[["Pr(>F)"]][1], a[["Sum Sq"]][1] / sum(a[["Sum Sq"]])))
k <- kruskal.test(vbmd ~ grade, d)
put("kruskal", c(k$statistic, k$p.value))

p <- cor.test(d$age, d$vbmd)
put("pearson", c(p$estimate, p$conf.int, p$p.value))
s <- suppressWarnings(cor.test(d$vbmd, d$visual_score, method = "spearman", exact = FALSE))
put("spearman", c(s$estimate, s$p.value))
# Partial correlation: the test of the coefficient in a linear model.
held <- cbind(d$age, d$sex == "male")
r <- cor(resid(lm(d$vbmd ~ held)), resid(lm(d$rad_score ~ held)))
put("partial_pearson", c(r, summary(lm(rad_score ~ vbmd + held, d))$coefficients["vbmd", 4]))

m <- c(0.001, 0.02, 0.03, 0.04, 0.05, 0.3, 0.9, 0.02)
put("benjamini_hochberg", p.adjust(m, "BH"))
for (x in c(0, 3, 17, 40))
  put(paste0("wilson_", x), suppressWarnings(prop.test(x, 40, correct = FALSE))$conf.int)

x <- table_of("ratings")
difference <- x$rater2 - x$rater1
t <- t.test(difference)
put("bias", c(t$estimate, t$conf.int, sd(difference)))
line <- summary(lm(difference ~ I((x$rater1 + x$rater2) / 2)))$coefficients[2, ]
put("proportional_bias", line[c(1, 4)])
finish()
